/**
 * One connection to one peer, for one stream or call: a channel of its own, so that its name is resolved anew, what it
 * learned of a dead peer does not outlive it, and a snapshot does not share a socket with heartbeats.
 */

import { isIP } from 'node:net';
import { ZkraftError } from '../../common/index.ts';
import { raftPeer } from '../../common/rpc/index.ts';
import { dialFailure } from './dial-failure.ts';
import { noteSockets } from './dial-sockets.ts';
import type { TransportLimits } from './limits.ts';
import { clientCredentials, type TransportSecurity } from './security.ts';

/** Room for what gRPC and protobuf put around a message. */
export const FRAME_OVERHEAD_BYTES = 64 * 1024;

/** TLS wants a name where there is an address. Nobody looks at it: certificates are held against the node's name. */
export const NAMELESS_HOST = 'raft-peer.invalid';

export interface Dialling {
  readonly address: string;
  readonly security: TransportSecurity;
  readonly limits: TransportLimits;
  /** Sees the name in the certificate of who answers; throws to refuse it. */
  readonly check: (name: string) => void;
}

export interface Dialled {
  readonly client: raftPeer.RaftPeerServiceClient;
  /** Also of what gRPC leaves open. */
  readonly close: () => void;
  /** What went wrong, told with what the certificate said, which gRPC passes on only as text. */
  readonly reason: (thrown: unknown) => ZkraftError;
}

export function dial({ address, security, limits, check }: Dialling): Dialled {
  let refusal: ZkraftError | undefined;
  const { credentials, end } = noteSockets(
    clientCredentials(security, (name) => {
      try {
        check(name);
      } catch (error) {
        refusal = ZkraftError.from(error);
        throw error;
      }
    }),
  );
  const client = new raftPeer.RaftPeerServiceClient(address, credentials, {
    ...keepaliveOptions(limits),
    ...(isIP(hostOf(address)) !== 0 && { 'grpc.ssl_target_name_override': NAMELESS_HOST }),
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.max_receive_message_length': FRAME_OVERHEAD_BYTES,
    'grpc.max_send_message_length': limits.messageBytesMax + FRAME_OVERHEAD_BYTES,
    // A write is over when it has left, not when gRPC keeps a copy of it for a second try: else backpressure is lost.
    'grpc.enable_retries': 0,
    'grpc.per_rpc_retry_buffer_size': 1,
  });
  const close = (): void => {
    client.close();
    end();
  };
  return { client, close, reason: (thrown) => refusal ?? dialFailure(thrown, address, security) };
}

/** Of host:port, [v6]:port. */
export const hostOf = (address: string): string =>
  address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');

export const keepaliveOptions = ({ keepaliveMs }: TransportLimits) => ({
  'grpc.keepalive_time_ms': keepaliveMs,
  'grpc.keepalive_timeout_ms': keepaliveMs,
  'grpc.keepalive_permit_without_calls': 1,
});
