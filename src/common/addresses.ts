/** Addresses of peers: one spelling for each, and what counts as one client. */
import { isIP } from 'node:net';

/** An IPv4-mapped IPv6 address is the IPv4 address. */
export const plainAddress = (address: string): string => /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;

/**
 * What counts as one client: the address, or the /64 of an IPv6 address. A proxy's header may hold anything; what is no
 * address is one client, `unknown`, so that it can neither fill a table nor pass a limit.
 */
export function addressKey(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return isIP(plain) === 4 ? plain : 'unknown';
  const [head = '', tail] = (plain.split('%', 1)[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const tailGroups = tail === '' ? 0 : tail.split(':').length;
    while (groups.length + tailGroups < 8) groups.push('0');
  }
  const prefix = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${prefix.join(':')}::/64`;
}
