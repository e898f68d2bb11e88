/**
 * What a cluster on this machine is made of: a process each for coordinators, gateway and workers, with the settings that
 * an operator would write for them. Pure.
 */
import { join } from 'node:path';

export interface ClusterShape {
  readonly dir: string;
  /** 1, 3, 5 or 7. */
  readonly coordinators: number;
  readonly workers: number;
  /** Proofs that each worker makes at a time. */
  readonly workerConcurrency: number;
  readonly ports: ClusterPorts;
  readonly raftTimeout: string;
}

/** The first of each kind; the others follow. */
export interface ClusterPorts {
  readonly gateway: number;
  readonly grpc: number;
  readonly http: number;
  readonly raft: number;
  readonly worker: number;
}

export type ProcessKind = 'coordinator' | 'gateway' | 'worker';

export interface PlannedProcess {
  readonly name: string;
  readonly kind: ProcessKind;
  /** For the file that `--config` names. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Needs DATABASE_URL. */
  readonly usesDatabase: boolean;
  readonly url: string;
  readonly ports: readonly number[];
  /** Of which authorities it shows certificates. */
  readonly certificates: readonly Authority[];
}

/** `raft` for the coordinators among themselves, `grpc` between them and workers: no worker may speak as a coordinator. */
export const AUTHORITIES = ['raft', 'grpc'] as const;
export type Authority = (typeof AUTHORITIES)[number];

export const certificatesDir = (dir: string, authority: Authority): string => join(dir, 'certs', authority);

/** Coordinators first, in the order in which they are listed as peers. */
export function planCluster(shape: ClusterShape): PlannedProcess[] {
  const { dir, ports } = shape;
  const filesOf = (authority: Authority, name: string) => {
    const certs = certificatesDir(dir, authority);
    return { ca: join(certs, 'ca.crt'), cert: join(certs, `${name}.crt`), key: join(certs, `${name}.key`) };
  };
  const nth = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const coordinatorName = (i: number): string => `coordinator-${i + 1}`;
  const peers = nth(shape.coordinators, (i) => ({ id: coordinatorName(i), address: `127.0.0.1:${ports.raft + i}` }));

  const coordinators = nth(shape.coordinators, (i): PlannedProcess => {
    const name = coordinatorName(i);
    const grpc = filesOf('grpc', name);
    const raft = filesOf('raft', name);
    return {
      name,
      kind: 'coordinator',
      usesDatabase: true,
      certificates: ['raft', 'grpc'],
      url: `http://127.0.0.1:${ports.http + i}`,
      ports: [ports.grpc + i, ports.http + i, ports.raft + i],
      settings: {
        coordinator: {
          id: name,
          grpc_port: ports.grpc + i,
          http_port: ports.http + i,
          tls_cert_file: grpc.cert,
          tls_key_file: grpc.key,
          tls_client_ca_file: grpc.ca,
          raft: {
            node_id: name,
            raft_port: ports.raft + i,
            raft_dir: join(dir, name, 'raft'),
            peers,
            heartbeat_timeout: shape.raftTimeout,
            election_timeout: shape.raftTimeout,
            tls_enabled: true,
            cert_file: raft.cert,
            key_file: raft.key,
            ca_file: raft.ca,
          },
        },
      },
    };
  });
  const gateway: PlannedProcess = {
    name: 'gateway',
    kind: 'gateway',
    usesDatabase: true,
    certificates: [],
    url: `http://127.0.0.1:${ports.gateway}`,
    ports: [ports.gateway],
    settings: { server: { port: ports.gateway } },
  };
  const workers = nth(shape.workers, (i): PlannedProcess => {
    const name = `worker-${i + 1}`;
    const { ca, cert, key } = filesOf('grpc', name);
    return {
      name,
      kind: 'worker',
      usesDatabase: false,
      certificates: ['grpc'],
      url: `http://127.0.0.1:${ports.worker + i}`,
      ports: [ports.worker + i],
      settings: {
        data: { dir: join(dir, name) },
        worker: {
          id: name,
          coordinator_address: nth(shape.coordinators, (c) => `127.0.0.1:${ports.grpc + c}`),
          concurrency: shape.workerConcurrency,
          tls_ca_file: ca,
          tls_cert_file: cert,
          tls_key_file: key,
        },
        metrics: { port: ports.worker + i },
      },
    };
  });
  return [...coordinators, gateway, ...workers];
}
