/** Three coordinators in one process, over a network that can be cut and one store in memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256Hex } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import {
  type Coordinator,
  type CoordinatorOptions,
  type StateEvent,
  type StateVersions,
  startCoordinator,
} from '../../src/coordinator/index.ts';
import { type ListedPeer, openRaftNode, type RaftNode, type StateMachine } from '../../src/raft/index.ts';
import { LocalNetwork } from '../raft/node/local-network.ts';
import { eventually } from '../raft/node/node-bed.ts';
import { type Proofs, QUICK } from './bed.ts';
import { type FakeRow, FakeStore } from './fake-store.ts';
import { FakeWorker } from './fake-worker.ts';

type Result = readonly StateEvent[];

export const TIMEOUT_MS = 200;
const NAMES = ['c1', 'c2', 'c3'] as const;
/** Of the states that are remembered. */
const INDEXES_MAX = 5_000;

interface SeatOptions {
  readonly peers?: readonly ListedPeer[];
  /** Of a program of another release. */
  readonly versions?: StateVersions;
}

export interface Seat {
  readonly name: string;
  readonly coordinator: Coordinator;
  readonly node: RaftNode<Result>;
}

export class ClusterBed {
  readonly network = new LocalNetwork();
  readonly store = new FakeStore();
  readonly workers: FakeWorker[] = [];
  readonly seats = new Map<string, Seat>();
  readonly proofs: Proofs;
  /** What two nodes had at one index, if it was not the same. */
  readonly differences: string[] = [];
  /** Who wrote to the database while it was no leader. */
  readonly wroteWithoutLeading: string[] = [];
  readonly #root = mkdtempSync(join(tmpdir(), 'zkraft-cluster-'));
  readonly #options: Partial<CoordinatorOptions>;
  readonly #hashes = new Map<number, string>();
  readonly #held = new Map<string, { waiting: number; readonly released: Promise<void> }>();

  static async start(proofs: Proofs, options: Partial<CoordinatorOptions> = {}): Promise<ClusterBed> {
    const bed = new ClusterBed(proofs, options);
    bed.store.trees.set('ab'.repeat(32), proofs.leaves);
    await Promise.all(NAMES.map((name) => bed.run(name)));
    // The first begins, and adds the others by itself.
    await eventually(() => [...bed.seats.values()].every(({ node }) => node.confState?.voters.length === NAMES.length));
    return bed;
  }

  constructor(proofs: Proofs, options: Partial<CoordinatorOptions>) {
    this.proofs = proofs;
    this.#options = options;
  }

  folder(name: string): string {
    return join(this.#root, name);
  }

  /** What comes is another cluster's. */
  forgetHistory(): void {
    this.#hashes.clear();
  }

  /** On its folder of before, if it had one. */
  async run(name: string, { versions, ...more }: SeatOptions = {}): Promise<Seat> {
    let node: RaftNode<Result> | undefined;
    const coordinator = await startCoordinator({
      id: name,
      store: this.#watchedStore(name, () => node),
      artifacts: this.proofs.artifacts,
      verifier: this.proofs.verifier,
      grpcHost: '127.0.0.1',
      grpcPort: 0,
      httpHost: '127.0.0.1',
      httpPort: 0,
      logger: silentLogger,
      ...QUICK,
      ...this.#options,
      ...(versions !== undefined && { versions }),
      openLog: async ({ clientAddress, stateVersion, logger }) => {
        node = await openRaftNode<Result>({
          dir: this.folder(name),
          name,
          raftAddress: name,
          clientAddress,
          hostVersion: stateVersion,
          bootstrap: name === NAMES[0],
          peers: NAMES.map((peer) => ({ name: peer, raftAddress: peer })),
          connect: this.network.connector(name),
          heartbeatTimeoutMs: TIMEOUT_MS,
          electionTimeoutMs: TIMEOUT_MS,
          promoteInTouchMs: 100,
          snapshotThreshold: 60,
          trailingEntries: 20,
          freeBytesMin: 0,
          logger,
          onFatal: (error) => this.differences.push(`${name} ended: ${error.message}`),
          ...more,
        });
        return this.#compared(name, node);
      },
    });
    if (node === undefined) throw new Error('no log was opened');
    const seat = { name, coordinator, node };
    this.seats.set(name, seat);
    return seat;
  }

  /** From now on this one stops between a decision and writing it, until what this returns is called. */
  holdWrites(name: string): { readonly waiting: () => number; readonly release: () => void } {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const held = { waiting: 0, released };
    this.#held.set(name, held);
    return {
      waiting: () => held.waiting,
      release: () => {
        this.#held.delete(name);
        release();
      },
    };
  }

  /** The one that leads, knows it, and serves; of those that are not left out. */
  async leader(but: readonly string[] = []): Promise<Seat> {
    let found: Seat | undefined;
    await eventually(() => {
      const among = [...this.seats.values()].filter(({ name }) => !but.includes(name));
      found = among.find(({ node }) => node.status().state === 'Leader');
      return found !== undefined;
    });
    return found as Seat;
  }

  worker(seat: Seat, id: string, key?: string): FakeWorker {
    const worker = new FakeWorker(seat.coordinator.grpcPort, id, undefined, key);
    this.workers.push(worker);
    return worker;
  }

  /** Registered, with its stream open, once the coordinator serves. */
  async joined(seat: Seat, id: string, slots = 2): Promise<FakeWorker> {
    const worker = this.worker(seat, id);
    await served(() => worker.register({ slots }));
    return await worker.join(slots);
  }

  submit(fields: Partial<FakeRow> = {}): FakeRow {
    const { circuitDigest, root } = this.proofs;
    return this.store.insert({ circuitDigest, root, ...fields });
  }

  async stop(name: string): Promise<void> {
    await this.seats.get(name)?.coordinator.close();
    this.seats.delete(name);
  }

  async close(): Promise<void> {
    for (const worker of this.workers) worker.vanish();
    this.network.heal();
    await Promise.all([...this.seats.keys()].map((name) => this.stop(name)));
    rmSync(this.#root, { recursive: true, force: true });
  }

  #watchedStore(name: string, node: () => RaftNode<Result> | undefined): FakeStore {
    const { store } = this;
    const project: FakeStore['project'] = async (...args) => {
      const state = node()?.status().state;
      if (state !== 'Leader') this.wroteWithoutLeading.push(`${name}, ${state}`);
      const held = this.#held.get(name);
      if (held !== undefined) {
        held.waiting += 1;
        await held.released;
      }
      return await store.project(...args);
    };
    return new Proxy(store, {
      get: (target, key) => {
        if (key === 'project') return project;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** The node, with every state that it comes to held against that of the others at the same index. */
  #compared(name: string, node: RaftNode<Result>): RaftNode<Result> {
    const start = (machine: StateMachine<Result>): Promise<void> =>
      node.start({
        apply: (entry) => {
          const result = machine.apply(entry);
          this.#compare(name, entry.index, machine);
          return result;
        },
        snapshot: () => machine.snapshot(),
        restore: (snapshot, index) => {
          machine.restore(snapshot, index);
          this.#compare(name, index, machine);
        },
      });
    return new Proxy(node, {
      get: (target, key) => {
        if (key === 'start') return start;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #compare(name: string, index: number, machine: StateMachine<Result>): void {
    const hash = sha256Hex(machine.snapshot());
    const known = this.#hashes.get(index);
    if (known === undefined && this.#hashes.size < INDEXES_MAX) this.#hashes.set(index, hash);
    if (known !== undefined && known !== hash) this.differences.push(`${name} differs at ${index}`);
  }
}

/** Until it is not refused any more because nobody leads, or serves, yet. */
export async function served<T>(work: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code !== 'not_leader' || performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** A test with a cluster of its own, in which the promises that hold for every one are looked at, too. */
export function clusterTest(name: string, proofs: () => Proofs, body: (bed: ClusterBed) => Promise<void>): void {
  test(name, async () => {
    const bed = await ClusterBed.start(proofs());
    try {
      await body(bed);
      assert.deepEqual(bed.differences, [], 'all nodes have the same state at the same index');
      assert.deepEqual(bed.wroteWithoutLeading, [], 'nobody writes who does not lead');
    } finally {
      await bed.close();
    }
  });
}
