/** Certificates for tests, made by `openssl` when the test runs, so that none can expire in the repository. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Why tests that need certificates cannot run here; false when they can. */
export const WITHOUT_OPENSSL: string | false =
  spawnSync('openssl', ['version']).status === 0 ? false : 'NO OPENSSL ON THIS MACHINE: TLS IS NOT TESTED';

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Pair {
  /** A certificate of this authority for 127.0.0.1 and localhost. */
  issue(name: string): Pair;
}

/** Paths of files in `dir`, which exists. */
export function makeAuthority(dir: string, name: string): Authority {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const paths = (of: string): Pair => ({ cert: join(dir, `${of}.crt`), key: join(dir, `${of}.key`) });
  const authority = paths(name);
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    authority.key,
    '-out',
    authority.cert,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
  );
  return {
    ...authority,
    issue: (subject) => {
      const pair = paths(`${name}-${subject}`);
      const request = `${pair.cert}.csr`;
      const extensions = `${pair.cert}.ext`;
      writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
      openssl('req', '-new', ...newKey, '-keyout', pair.key, '-out', request, '-subj', `/CN=${subject}`);
      const signer = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial'];
      openssl('x509', '-req', '-in', request, ...signer, '-out', pair.cert, '-days', '2', '-extfile', extensions);
      return pair;
    },
  };
}
