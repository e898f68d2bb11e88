/** What `zkraft raft` needs of settings, of the Raft port of a node that runs, and of the folders of those that do not. */
import { ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import type { TransportSecurity } from '../raft/index.ts';
import { readCertificates, readTlsIdentity } from './tls.ts';

export { type FolderReport, inspectFolder, operatorChannel, type Recovered, recoverFolder } from '../raft/index.ts';

/** For calls to the Raft port of any node: plain text when no certificate is set at all. Throws `config_invalid`. */
export function raftSecurity(config: Config): TransportSecurity {
  const identity = readTlsIdentity(config, 'coordinator.raft.cert_file', 'coordinator.raft.key_file');
  const ca = readCertificates(config, 'coordinator.raft.ca_file');
  if (identity === undefined && ca === undefined) return { mode: 'insecure' };
  if (identity === undefined || ca === undefined) {
    const missing = identity === undefined ? 'coordinator.raft.cert_file' : 'coordinator.raft.ca_file';
    throw new ZkraftError(
      'config_invalid',
      `${missing} is empty; the Raft port wants a certificate from both sides: set cert_file, key_file and ca_file`,
      { field: missing },
    );
  }
  return { mode: 'mutual-tls', ...identity, ca };
}
