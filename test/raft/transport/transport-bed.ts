/** Hosts without a core: they note what the transport tells them, and let in whom they are told to. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type CertificatePair, issueCertificate, makeAuthority } from '../../../src/certs/index.ts';
import { type Logger, ZkraftError } from '../../../src/common/index.ts';
import { silentLogger } from '../../../src/common/logging/index.ts';
import {
  FileSnapshotFolder,
  type GrpcTransportOptions,
  grpcTransport,
  type Member,
  type NodeTransport,
  type PeerIdentity,
  type raftCore,
  SnapshotStore,
  type TransportHost,
  type TransportLimits,
  type TransportObserver,
  type TransportSecurity,
} from '../../../src/raft/index.ts';

export type PeerMessage = raftCore.PeerMessage;

export const CLUSTER = 'c0ffee00-0000-4000-8000-000000000001';

const DAY_MS = 86_400_000;

/** An authority that began a month ago, so that it can sign what has ended since. */
export const testAuthority = (name: string) =>
  makeAuthority(name, { now: new Date(Date.now() - 30 * DAY_MS), days: 400 });

export interface IssueOptions {
  /** When it was issued, in days from now. */
  readonly fromDays?: number;
  /** The authority that its holder trusts, when it is another one. */
  readonly trusts?: CertificatePair;
}

/** For two days. */
export function issue(authority: CertificatePair, name: string, options: IssueOptions = {}): TransportSecurity {
  const { fromDays = 0, trusts = authority } = options;
  const now = new Date(Date.now() + fromDays * DAY_MS);
  const pair = issueCertificate(authority, name, ['127.0.0.1', 'localhost'], { now, days: 2 });
  return { mode: 'mutual-tls', ...pair, ca: trusts.cert };
}

/** Certificates by common name, of one authority. */
export function certificates(authority = testAuthority('raft authority')): (name: string) => TransportSecurity {
  const issued = new Map<string, TransportSecurity>();
  return (name) => {
    const known = issued.get(name) ?? issue(authority, name);
    issued.set(name, known);
    return known;
  };
}

export interface PeerOptions {
  readonly name: string;
  readonly nodeId: number;
  readonly security: TransportSecurity;
  readonly clusterId?: string | undefined;
  readonly port?: number;
  readonly listenHost?: string;
  readonly limits?: Partial<TransportLimits>;
  readonly observer?: TransportObserver;
  readonly dir?: string;
  /** What it says of where it listens, instead of where it does. */
  readonly raftAddress?: string;
  readonly addServices?: GrpcTransportOptions['addServices'];
}

const noting = (log: string[]): Logger => {
  const note = (fields: object, text?: string): void => void log.push(`${text} ${JSON.stringify(fields)}`);
  return Object.assign(Object.create(silentLogger), { warn: note, error: note });
};

/** Quick, so that tests are. */
const LIMITS: Partial<TransportLimits> = { redialMs: 10, redialMsMax: 100, refusedRedialMs: 200, handshakeMs: 5_000 };

export class Peer implements TransportHost {
  readonly options: PeerOptions;
  readonly received: PeerMessage[] = [];
  readonly snapshotOutcomes: string[] = [];
  readonly unreachables: number[] = [];
  readonly gones: number[] = [];
  readonly refusals: string[] = [];
  readonly disconnects: string[] = [];
  readonly drops: string[] = [];
  readonly connects: string[] = [];
  /** What its log says at warn and error. */
  readonly log: string[] = [];
  port = 0;
  clusterId: string | undefined;
  transport!: NodeTransport;
  /** Incarnations that are members, by name; without any, everybody is. */
  members: ReadonlyMap<string, number> | undefined;
  store: SnapshotStore | undefined;
  hear: (message: PeerMessage) => void = () => {};

  private constructor(options: PeerOptions) {
    this.options = options;
    this.clusterId = 'clusterId' in options ? options.clusterId : CLUSTER;
  }

  static async start(test: TestContext, options: PeerOptions): Promise<Peer> {
    const peer = new Peer(options);
    if (options.dir !== undefined) {
      peer.store = new SnapshotStore(new FileSnapshotFolder(join(options.dir, options.name)), { clusterId: CLUSTER });
      await peer.store.open();
    }
    peer.transport = await grpcTransport({
      listen: `${options.listenHost ?? '127.0.0.1'}:${options.port ?? 0}`,
      security: options.security,
      limits: { ...LIMITS, ...options.limits },
      observer: {
        refused: (name, why) => peer.refusals.push(`${name}: ${why}`),
        disconnected: (_name, why) => peer.disconnects.push(why),
        dropped: (name, messages, why) => peer.drops.push(...Array<string>(messages).fill(`${name} ${why}`)),
        connected: (name) => peer.connects.push(name),
        ...options.observer,
      },
      logger: noting(peer.log),
      onListening: (port) => {
        peer.port = port;
      },
      ...(options.addServices !== undefined && { addServices: options.addServices }),
    })(peer);
    test.after(() => peer.transport.close());
    return peer;
  }

  get address(): string {
    return this.options.raftAddress ?? `${this.options.listenHost ?? '127.0.0.1'}:${this.port}`;
  }

  get member(): Member {
    const { name, nodeId } = this.options;
    return { nodeId, name, incarnationId: `i${nodeId}`, raftAddress: this.address, clientAddress: '' };
  }

  identity(): PeerIdentity {
    return { ...this.member, clusterId: this.clusterId };
  }

  async admit(peer: PeerIdentity): Promise<void> {
    this.clusterId ??= peer.clusterId;
    const known = this.members?.get(peer.name);
    if (this.members === undefined || known === peer.nodeId) return;
    throw new ZkraftError(
      'peer_refused',
      `"${peer.name}" is a member as incarnation ${known}, and this one is ${peer.nodeId}: it lost its disk. Remove it, ` +
        'then add it anew',
    );
  }

  receive(message: PeerMessage): void {
    this.received.push(message);
    this.hear(message);
  }

  unreachable(nodeId: number): void {
    this.unreachables.push(nodeId);
  }

  gone(nodeId: number): void {
    this.gones.push(nodeId);
  }

  snapshotSent(nodeId: number, outcome: 'arrived' | 'failed'): void {
    this.snapshotOutcomes.push(`${nodeId} ${outcome}`);
  }

  snapshots(): SnapshotStore | undefined {
    return this.store;
  }
}

export const heartbeat = (from: number, to: number, readRound = 0): PeerMessage => ({
  type: 'heartbeat',
  from,
  to,
  term: 7,
  commit: 0,
  readRound,
});

export const append = (from: number, to: number, index: number, bytes: number): PeerMessage => ({
  type: 'append',
  from,
  to,
  term: 7,
  previous: { term: 7, index: index - 1 },
  entries: [{ term: 7, index, type: 'normal', data: new Uint8Array(bytes).fill(index & 255) }],
  commit: 0,
});

export async function eventually(what: string, holds: () => boolean, withinMs = 10_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
