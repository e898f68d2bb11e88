/**
 * One connection to one peer, for one stream or call: a channel of its own, so that its name is resolved anew, what it
 * learned of a dead peer does not outlive it, and a snapshot does not share a socket with heartbeats.
 */

import { isIP } from 'node:net';
import { ZkraftError } from '../../common/index.ts';
import { fromServiceError, RemoteError, raftPeer } from '../../common/rpc/index.ts';
import type { TransportLimits } from './limits.ts';
import { clientCredentials, type TransportSecurity } from './security.ts';
import { ownCertificateProblem, tellTlsFailure, tlsFailureIn } from './tls-failure.ts';

/** Room for what gRPC and protobuf put around a message. */
export const FRAME_OVERHEAD_BYTES = 64 * 1024;

/** TLS wants a name where there is an address. Nobody looks at it: certificates are held against the node's name. */
const NAMELESS_HOST = 'raft-peer.invalid';

export interface Dialling {
  readonly address: string;
  readonly security: TransportSecurity;
  readonly limits: TransportLimits;
  /** Sees the name in the certificate of who answers; throws to refuse it. */
  readonly check: (name: string) => void;
}

export interface Dialled {
  readonly client: raftPeer.RaftPeerServiceClient;
  /** What went wrong, told with what the certificate said, which gRPC passes on only as text. */
  readonly reason: (thrown: unknown) => ZkraftError;
}

export function dial({ address, security, limits, check }: Dialling): Dialled {
  let refusal: ZkraftError | undefined;
  const credentials = clientCredentials(security, (name) => {
    try {
      check(name);
    } catch (error) {
      refusal = ZkraftError.from(error);
      throw error;
    }
  });
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
  return { client, reason: (thrown) => refusal ?? failureOf(thrown, address, security) };
}

/** Of host:port, [v6]:port. */
const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');

export const keepaliveOptions = ({ keepaliveMs }: TransportLimits) => ({
  'grpc.keepalive_time_ms': keepaliveMs,
  'grpc.keepalive_timeout_ms': keepaliveMs,
  'grpc.keepalive_permit_without_calls': 1,
});

function failureOf(thrown: unknown, address: string, security: TransportSecurity): ZkraftError {
  if (thrown instanceof ZkraftError && !(thrown instanceof RemoteError)) return thrown;
  const remote = fromServiceError(thrown);
  // What the other side said in so many words.
  if (remote.code !== 'coordinator_unavailable' && remote.code !== 'cancelled' && remote.code !== 'internal')
    return remote;
  if (security.mode === 'mutual-tls') {
    const failure = tlsFailureIn(remote.message);
    if (failure !== undefined) return refused(tellTlsFailure(failure, `the node at ${address}`), thrown);
    const own = ownCertificateProblem(security, new Date());
    if (own !== undefined && HUNG_UP.test(remote.message)) return refused(`${address} hung up: ${own}`, thrown);
  }
  const means = security.mode === 'insecure' ? 'in plain text' : 'with TLS and a certificate of our authority';
  return new ZkraftError(
    'peer_unreachable',
    `${address} does not answer ${means} (${withoutFrame(remote.message)}); see that the node runs, that this is its Raft address, and ` +
      `that both have certificates of one authority${HUNG_UP.test(remote.message) ? '. It hung up: its log says why' : ''}`,
    { cause: thrown },
  );
}

/** Of gRPC's text what differs: its frame says nothing, and its clock would make one and the same failure look new. */
const withoutFrame = (text: string): string =>
  (/Last error: (?:Error: )?(.*?)\.? Resolution note/s.exec(text)?.[1] ?? text)
    .replace(/ \(\d{4}-[-\d:.TZ]+\)/, '')
    .trim();

/** gRPC's word for a connection that ended before HTTP/2 began: so does one whose certificate was not taken. */
const HUNG_UP = /Failed to connect/;

const refused = (why: string, cause: unknown): ZkraftError => new ZkraftError('peer_refused', why, { cause });
