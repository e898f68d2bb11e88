/** What `zkraft raft` needs of settings, and of the folders of nodes that do not run. */
import { ChannelCredentials } from '@grpc/grpc-js';
import { ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { readCertificates, readTlsIdentity } from './tls.ts';

export { type FolderReport, inspectFolder, type Recovered, recoverFolder } from '../raft/index.ts';

/** For calls to the Raft port of any node. Undefined, for plain text, when no certificate is set at all. */
export function raftCredentials(config: Config): ChannelCredentials | undefined {
  const identity = readTlsIdentity(config, 'coordinator.raft.cert_file', 'coordinator.raft.key_file');
  const ca = readCertificates(config, 'coordinator.raft.ca_file');
  if (identity === undefined && ca === undefined) return undefined;
  if (identity === undefined || ca === undefined) {
    const missing = identity === undefined ? 'coordinator.raft.cert_file' : 'coordinator.raft.ca_file';
    throw new ZkraftError(
      'config_invalid',
      `${missing} is empty; the Raft port wants a certificate from both sides: set cert_file, key_file and ca_file`,
      { field: missing },
    );
  }
  return ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(identity.key), Buffer.from(identity.cert));
}
