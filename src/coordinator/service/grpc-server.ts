/**
 * The gRPC server: the worker and the admin service, health, and reflection if it is wanted; bound, limited, stopped.
 */
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { ZkraftError } from '../../common/index.ts';
import {
  type AdminServiceServer,
  AdminServiceService,
  type CoordinatorServiceServer,
  CoordinatorServiceService,
} from '../../common/rpc/index.ts';

/** PEM. With `clientCa` only workers with a certificate of it are let in. */
export interface GrpcTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

export interface GrpcServerOptions {
  readonly host: string;
  readonly port: number;
  readonly service: CoordinatorServiceServer;
  readonly tls: GrpcTls | undefined;
  readonly admin: AdminServiceServer;
  readonly reflection: boolean;
  /** Of one message from a worker. The largest honest one is a heartbeat with 1,024 leases, some 200 KB. */
  readonly receiveBytesMax: number;
}

export interface GrpcServer {
  readonly port: number;
  /** What health probes are told. */
  setServing(serving: boolean): void;
  /** Waits `graceMs` for calls in flight, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

const SERVICE = 'zkraft.v1.CoordinatorService';
/** The largest that we send is an artifact's chunk of 256 KiB. */
const SEND_BYTES_MAX = 4 * 1024 * 1024;

export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': options.receiveBytesMax,
    'grpc.max_send_message_length': SEND_BYTES_MAX,
    'grpc.max_concurrent_streams': 256,
    // A worker behind a dead link is noticed by the connection too, not only by its missing heartbeats.
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.keepalive_permit_without_calls': 1,
  });
  server.addService(CoordinatorServiceService, options.service);
  server.addService(AdminServiceService, options.admin);
  const health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' });
  health.addToServer(server);
  if (options.reflection) await addReflection(server);
  const port = await bind(server, options.host, options.port, credentialsOf(options.tls));
  return {
    port,
    setServing(serving) {
      const status = serving ? 'SERVING' : 'NOT_SERVING';
      health.setStatus('', status);
      health.setStatus(SERVICE, status);
    },
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          server.forceShutdown();
          resolve();
        }, graceMs);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}

function credentialsOf(tls: GrpcTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
  const clientCa = tls.clientCa === undefined ? null : Buffer.from(tls.clientCa);
  return ServerCredentials.createSsl(clientCa, [pair], clientCa !== null);
}

function bind(server: Server, host: string, port: number, credentials: ServerCredentials): Promise<number> {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error === null) return resolve(bound);
      const inUse = /EADDRINUSE/.test(error.message);
      reject(
        new ZkraftError(
          inUse ? 'port_in_use' : 'config_invalid',
          inUse
            ? `${address} is in use; stop the process that listens there, or set coordinator.grpc_port to a free port`
            : `cannot listen on ${address}: ${error.message}`,
          { field: 'coordinator.grpc_port', cause: error },
        ),
      );
    });
  });
}

/** Loaded only when asked for: it reads the contract from `proto/`, beside `src/` and `dist/`. */
async function addReflection(server: Server): Promise<void> {
  const [{ ReflectionService }, { loadSync }] = await Promise.all([
    import('@grpc/reflection'),
    import('@grpc/proto-loader'),
  ]);
  const dir = fileURLToPath(new URL('../../../proto', import.meta.url));
  new ReflectionService(
    loadSync(['zkraft/v1/worker.proto', 'zkraft/v1/admin.proto'], { includeDirs: [dir] }),
  ).addToServer(server);
}
