/** Somebody who has a certificate, or none, and says on the Raft port what it likes. */
import type { TestContext } from 'node:test';
import { ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { fromServiceError, raftPeer } from '../../../src/common/rpc/index.ts';
import { PROTOCOL_VERSION, type TransportSecurity } from '../../../src/raft/index.ts';
import { CLUSTER, type Peer } from './transport-bed.ts';

export const nodeOf = (nodeId: number, name: string, clusterId = CLUSTER): raftPeer.NodeIdentity => ({
  ...{ nodeId: BigInt(nodeId), name, clusterId },
  ...{ incarnationId: `i${nodeId}`, raftAddress: '127.0.0.1:1', clientAddress: '', hostVersion: 0 },
});

export const helloOf = (peer: Peer): raftPeer.Hello => ({
  protocolVersion: PROTOCOL_VERSION,
  from: nodeOf(peer.options.nodeId, peer.options.name),
  toNodeId: 0n,
  toName: '',
});

export const beat = (from: bigint, to: bigint): raftPeer.RaftMessage => ({
  ...{ from, to, term: 1n },
  body: { $case: 'heartbeat', value: { commit: 0n, readRound: 0n } },
});

/** Holds nobody's certificate against a name. `tls` shows none. */
function credentialsOf(
  security: TransportSecurity | { readonly mode: 'tls'; readonly ca: string },
): ChannelCredentials {
  if (security.mode === 'insecure') return ChannelCredentials.createInsecure();
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const { key, cert } = security.mode === 'tls' ? { key: undefined, cert: undefined } : security;
  return ChannelCredentials.createSsl(pem(security.ca), pem(key), pem(cert), { checkServerIdentity: () => undefined });
}

/** As somebody who has a certificate and says what it likes; how the stream ended. */
export function say(
  t: TestContext,
  to: Peer,
  security: TransportSecurity | { readonly mode: 'tls'; readonly ca: string },
  contents: readonly NonNullable<raftPeer.SendMessagesRequest['content']>[],
): Promise<{ code: string; message: string }> {
  const credentials = credentialsOf(security);
  const client = new raftPeer.RaftPeerServiceClient(`localhost:${to.port}`, credentials, {
    'grpc.use_local_subchannel_pool': 1,
  });
  t.after(() => client.close());
  return new Promise((resolve, reject) => {
    const stream = client.sendMessages();
    stream.on('error', (error: ServiceError) => resolve(fromServiceError(error)));
    stream.on('data', () => {});
    stream.on('end', () => reject(new Error('the stream ended without a word')));
    for (const content of contents) stream.write({ content });
  });
}
