/** Raft between processes, over gRPC. See README.md. */
export { PROTOCOL_VERSION } from './handshake.ts';
export { TRANSPORT_LIMITS, type TransportLimits } from './limits.ts';
export type { DropReason, TransportObserver } from './observer.ts';
export { type OperatorChannel, operatorChannel } from './operator-channel.ts';
export type { TransportSecurity } from './security.ts';
export { type GrpcTransportOptions, grpcTransport } from './transport.ts';
