/**
 * How an operator's tool reaches the Raft port: as nodes do, but by the host that it was told.
 *
 * It does not know the name of the node there, so the certificate must be good for the host. Addresses are looked at here,
 * since TLS has no word for an address where a name should be.
 */
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import type { ZkraftError } from '../../common/index.ts';
import { hostOf, NAMELESS_HOST } from './dial.ts';
import { dialFailure } from './dial-failure.ts';
import type { TransportSecurity } from './security.ts';
import { OPERATOR } from './tls-failure.ts';

export interface OperatorChannel {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  /** What went wrong with a call. */
  readonly reason: (thrown: unknown) => ZkraftError;
}

export function operatorChannel(address: string, security: TransportSecurity): OperatorChannel {
  const host = hostOf(address);
  return {
    credentials:
      security.mode === 'insecure'
        ? ChannelCredentials.createInsecure()
        : ChannelCredentials.createSsl(
            Buffer.from(security.ca),
            Buffer.from(security.key),
            Buffer.from(security.cert),
            { checkServerIdentity: (_, shown) => checkServerIdentity(host, shown) },
          ),
    options: {
      ...(isIP(host) !== 0 && { 'grpc.ssl_target_name_override': NAMELESS_HOST }),
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    },
    reason: (thrown) => dialFailure(thrown, address, security, OPERATOR),
  };
}
