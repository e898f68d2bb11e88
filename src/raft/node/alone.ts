/** No way to any peer: for a node that is a cluster of its own and stays so. It listens nowhere. */
import { ZkraftError } from '../../common/index.ts';
import type { ConnectTransport } from './ports.ts';

export const stayAlone: ConnectTransport = async (host) => ({
  send: (message) => void setImmediate(() => host.unreachable(message.to)),
  sendSnapshot: (message) => void setImmediate(() => host.snapshotSent(message.to, 'failed')),
  setMembers: () => {},
  identify: async () => {
    throw new ZkraftError('membership_refused', 'this node has no raft port, so it can have no peers; give it one');
  },
  close: async () => {},
});
