/** The names in a certificate: the node's own, and the hosts where it can be reached. */
import { isIP } from 'node:net';
import { ZkraftError } from '../common/index.ts';

export type HostName =
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'ip'; readonly bytes: Buffer };

/** X.520 gives a common name 64 characters. */
const NAME_CHARS_MAX = 64;
const HOSTS_MAX = 64;

/** Also the name of its files, so no more than a file's name may hold anywhere. Throws `usage`. */
export function checkNodeName(name: string, field = 'name'): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name.length <= NAME_CHARS_MAX && !name.endsWith('.')) return name;
  throw new ZkraftError(
    'usage',
    `${field} is "${name}"; give up to ${NAME_CHARS_MAX} letters, digits, dots, hyphens and underscores, beginning with ` +
      'a letter or digit',
    { field },
  );
}

/** Throws `usage`. */
export function checkAuthorityName(name: string): string {
  if (name.length > 0 && name.length <= NAME_CHARS_MAX && !/\p{Cc}/u.test(name)) return name;
  throw new ZkraftError('usage', `the authority's name must have 1 to ${NAME_CHARS_MAX} printable characters`, {
    field: 'name',
  });
}

/** Hosts as they were given, and the node's own name where a host may have it. Throws `usage`. */
export function hostNames(name: string, hosts: readonly string[]): readonly HostName[] {
  if (hosts.length > HOSTS_MAX) {
    throw new ZkraftError('usage', `there are ${hosts.length} hosts; a certificate may name ${HOSTS_MAX}`, {
      field: 'hosts',
    });
  }
  const all = new Set([...(isDnsName(name) ? [name] : []), ...hosts]);
  return [...all].map(hostName);
}

function hostName(host: string): HostName {
  if (isIP(host) !== 0) return { kind: 'ip', bytes: addressBytes(host) };
  if (isDnsName(host)) return { kind: 'dns', name: host };
  throw new ZkraftError('usage', `hosts has "${host}", which is neither a host's name nor an IP address`, {
    field: 'hosts',
  });
}

const LABEL = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/;

/** A wildcard may stand for the first label. */
function isDnsName(name: string): boolean {
  const labels = name.split('.');
  const [first = '', ...rest] = labels;
  if (name.length > 253 || isIP(name) !== 0) return false;
  // What ends in digits alone was meant as an address.
  if (/^\d+$/.test(labels.at(-1) ?? '')) return false;
  return (LABEL.test(first) || (first === '*' && rest.length >= 2)) && rest.every((label) => LABEL.test(label));
}

/** Four or sixteen. */
function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // The parser of URLs writes an IPv6 address in its one short form, without an IPv4 tail.
  const plain = new URL(`http://[${address.split('%', 1)[0]}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  const bytes = Buffer.alloc(16);
  for (const [i, group] of [...before, ...zeros, ...after].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2);
  }
  return bytes;
}
