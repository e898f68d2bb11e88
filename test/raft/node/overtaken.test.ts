/** A follower whose leader is the test: a snapshot comes while something of its own is still under way. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { silentLogger } from '../../../src/common/logging/index.ts';
import { raftCore, SnapshotStore } from '../../../src/raft/index.ts';
import { Driver } from '../../../src/raft/node/driver.ts';
import { PROPOSAL_LIMITS } from '../../../src/raft/node/index.ts';
import { encodeMembers, type Member, Members } from '../../../src/raft/node/members.ts';
import { ReplicatedState } from '../../../src/raft/node/replicated-state.ts';
import { SessionTable } from '../../../src/raft/node/sessions.ts';
import { imageHeader } from '../../../src/raft/node/snapshot-image.ts';
import { systemRuntime } from '../../../src/raft/node/system-runtime.ts';
import { createLog, SimulatedDisk, SimulatedFolder } from '../../../src/raft/storage/index.ts';
import { type ConfState, EMPTY_CONF_STATE, type Entry, type SnapshotMetadata } from '../../../src/raft/types.ts';
import { eventually, pause } from './node-bed.ts';

const LEADER = 1;
const SELF = 2;
const THIRD = 3;
const CLUSTER = 'c0ffee00-0000-4000-8000-000000000002';
const memberOf = (nodeId: number): Member => ({
  nodeId,
  name: `n${nodeId}`,
  incarnationId: `i${nodeId}`,
  raftAddress: '',
  clientAddress: '',
});
const ALL: ConfState = { ...EMPTY_CONF_STATE, voters: [LEADER, SELF, THIRD] };

interface FollowerOptions {
  /** Own snapshots at so many entries. */
  readonly threshold?: number;
}

class Follower {
  readonly disk = new SimulatedDisk({ autoSync: true });
  readonly applied: number[] = [];
  readonly restored: number[] = [];
  readonly failures: Error[] = [];
  readonly created: number[] = [];
  store!: SnapshotStore;
  log!: Awaited<ReturnType<typeof createLog>>;
  driver!: Driver<number>;
  /** Called as an entry is applied. */
  onApply: (index: number) => void = () => {};
  /** What a snapshot of that index waits for before it is written, or read. */
  readonly gates = new Map<string, Promise<void>>();
  #ms = 0;

  static async start({ threshold = 1_000_000 }: FollowerOptions = {}): Promise<Follower> {
    const it = new Follower();
    const identity = { clusterId: CLUSTER, nodeName: 'n2', nodeId: SELF, incarnationId: 'i2' };
    it.log = await createLog(it.disk, { identity });
    it.store = new SnapshotStore(new SimulatedFolder({ autoSync: true }), { clusterId: CLUSTER });
    await it.store.open();
    const { create, read } = it.store;
    it.store.create = async (metadata) => {
      it.created.push(metadata.index);
      await it.gates.get(`create ${metadata.index}`);
      return await create.call(it.store, metadata);
    };
    it.store.read = async function* gated(metadata) {
      await it.gates.get(`read ${metadata.index}`);
      yield* read.call(it.store, metadata);
    };
    const state = new ReplicatedState<number>(
      {
        apply: ({ index }) => {
          it.applied.push(index);
          it.#ms += 1;
          it.onApply(index);
          return index;
        },
        snapshot: () => new Uint8Array(8),
        restore: (_bytes, index) => it.restored.push(index),
      },
      undefined,
    );
    state.begin(EMPTY_CONF_STATE);
    it.driver = new Driver<number>({
      id: SELF,
      self: memberOf(SELF),
      log: it.log,
      store: it.store,
      state,
      transport: { send: () => {}, sendSnapshot: () => {}, setMembers: () => {} },
      // Time goes by with what is applied, so that a turn applies 16 entries; nothing ticks.
      runtime: { ...systemRuntime, now: () => it.#ms, after: () => () => {} },
      observer: {},
      heartbeatTimeoutMs: 1_000_000,
      electionTimeoutMs: 1_000_000,
      proposals: PROPOSAL_LIMITS,
      snapshots: { intervalMs: 1_000_000, threshold, trailingEntries: 10 },
      maxMessageBytes: 2 ** 20,
      maxAppendEntries: 64,
      commitTimeoutMs: 50,
      stall: { verdict: () => 'well', oldestWaitMs: 0 },
      freeSpace: undefined,
      logger: silentLogger,
      changed: () => {},
      ticked: () => {},
      failed: (error) => it.failures.push(error),
    });
    await it.driver.start();
    return it;
  }

  /** Entries from `first` on, all of them committed. The first three make voters, `change` is one more change. */
  append(
    first: number,
    last: number,
    change?: { readonly index: number; readonly entry: Omit<Entry, 'index' | 'term'> },
  ) {
    const entries = Array.from({ length: last - first + 1 }, (_, i): Entry => {
      const index = first + i;
      if (index <= 3) return { index, term: 1, ...added(index) };
      if (index === change?.index) return { index, term: 1, ...change.entry };
      return { index, term: 1, type: 'normal', data: Uint8Array.of(0, 1) };
    });
    this.driver.receive({
      type: 'append',
      from: LEADER,
      to: SELF,
      term: 1,
      previous: { index: first - 1, term: first === 1 ? 0 : 1 },
      entries,
      commit: last,
    });
  }

  /** The bytes of a leader's snapshot have come; what is returned gives the message. */
  async snapshotOfLeader(index: number): Promise<() => void> {
    const metadata: SnapshotMetadata = { index, term: 1, confState: ALL };
    const members = Members.NONE.changed(encodeMembers([LEADER, SELF, THIRD].map(memberOf)), ALL).encode();
    const writer = await this.store.create(metadata);
    await writer.write(imageHeader({ members, sessions: new SessionTable().encode() }));
    await writer.write(new Uint8Array(8));
    await writer.finish();
    this.created.length = 0;
    return () =>
      this.driver.receive({
        type: 'snapshot',
        from: LEADER,
        to: SELF,
        term: 1,
        snapshot: { metadata, data: new Uint8Array(0) },
      });
  }

  /** Keeps a snapshot of that index waiting until what is returned is called. */
  hold(what: 'create' | 'read', index: number): () => void {
    let release = () => {};
    this.gates.set(
      `${what} ${index}`,
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    return release;
  }

  async voters(): Promise<readonly number[]> {
    const { configuration } = await this.driver.coreStatus();
    return [...configuration.voters].sort();
  }

  get recorded(): readonly number[] {
    return this.log.recordedSnapshots().map(({ index }) => index);
  }
}

/** Entries 1 to 3 add one voter each. */
function added(nodeId: number): Omit<Entry, 'index' | 'term'> {
  const change = { kind: 'add-voter', nodeId } as const;
  return raftCore.encodeConfChange({ version: 1, change, context: encodeMembers([memberOf(nodeId)]) });
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

describe('a snapshot of the leader', () => {
  let follower: Follower | undefined;
  afterEach(async () => {
    await follower?.driver.stop();
  });

  it('overtakes a change of the members that is still to be applied, which then changes nothing', async () => {
    follower = await Follower.start();
    const it = follower;
    const give = await it.snapshotOfLeader(200);
    const change = { version: 1, change: { kind: 'remove', nodeId: THIRD }, context: new Uint8Array(0) } as const;
    let votersAtChange: Promise<readonly number[]> | undefined;
    it.onApply = (index) => {
      // Sixteen entries a turn: the change, at 100, is some turns away.
      if (index === 20) give();
      if (index === 100) votersAtChange = it.voters();
    };
    it.append(1, 120, { index: 100, entry: raftCore.encodeConfChange(change) });
    await eventually(() => it.restored.length === 1);
    assert.deepEqual(it.applied, upTo(120), 'each entry is given once, and in order, before the snapshot is');
    assert.deepEqual(await votersAtChange, [LEADER, SELF, THIRD], 'the snapshot knows better');
    assert.deepEqual(await it.voters(), [LEADER, SELF, THIRD]);
    it.append(201, 210);
    await eventually(() => it.applied.at(-1) === 210);
    assert.deepEqual(it.restored, [200]);
    assert.deepEqual(it.failures, []);
  });

  it('does not overtake the changes that come after it', async () => {
    follower = await Follower.start();
    const it = follower;
    const give = await it.snapshotOfLeader(200);
    give();
    await eventually(() => it.restored.length === 1);
    const change = { version: 1, change: { kind: 'remove', nodeId: THIRD }, context: new Uint8Array(0) } as const;
    it.append(201, 210, { index: 205, entry: raftCore.encodeConfChange(change) });
    await eventually(() => it.applied.at(-1) === 210);
    assert.deepEqual(await it.voters(), [LEADER, SELF]);
  });

  it('arrives while one of our own is written: ours is dropped, if it ends before the other is durable', async () => {
    follower = await Follower.start({ threshold: 50 });
    const it = follower;
    const give = await it.snapshotOfLeader(200);
    const release = it.hold('create', 60);
    it.append(1, 60);
    await eventually(() => it.created.includes(60));
    // Staged behind the leader's, ours would be older than the newest: a fault of the caller, and the end of the node.
    it.disk.autoSync = false;
    give();
    await eventually(() => it.disk.pendingWrites > 0);
    release();
    await pause(30);
    it.disk.autoSync = true;
    it.disk.sync();
    await goesOn(it);
  });

  it('arrives while one of our own is written: ours is dropped, if it ends before the other is restored', async () => {
    follower = await Follower.start({ threshold: 50 });
    const it = follower;
    const give = await it.snapshotOfLeader(200);
    const release = it.hold('create', 60);
    const restore = it.hold('read', 200);
    it.append(1, 60);
    await eventually(() => it.created.includes(60));
    give();
    await eventually(() => it.recorded.includes(200));
    release();
    await pause(30);
    restore();
    await goesOn(it);
  });

  it('arrives while one of our own is written: ours is dropped, if it ends when all is over', async () => {
    follower = await Follower.start({ threshold: 50 });
    const it = follower;
    const give = await it.snapshotOfLeader(200);
    const release = it.hold('create', 60);
    it.append(1, 60);
    await eventually(() => it.created.includes(60));
    give();
    await eventually(() => it.restored.length === 1);
    release();
    await goesOn(it);
  });

  it('has none of our own begun while it is installed', async () => {
    follower = await Follower.start({ threshold: 50 });
    const it = follower;
    const give = await it.snapshotOfLeader(200);
    it.onApply = (index) => {
      if (index === 20) give();
    };
    const restore = it.hold('read', 200);
    it.append(1, 120);
    await eventually(() => it.applied.length === 120 && it.recorded.includes(200));
    await pause(30);
    assert.deepEqual(it.created, []);
    restore();
    await goesOn(it);
  });

  /** Restored, with nothing left of ours; and the next of our own is made as ever. */
  async function goesOn(it: Follower): Promise<void> {
    await eventually(() => it.restored.length === 1);
    await eventually(() => it.driver.snapshotIndex === 200);
    assert.deepEqual(
      it.recorded.filter((index) => index > 0),
      [200],
    );
    it.gates.clear();
    it.append(201, 280);
    await eventually(() => it.recorded.at(-1) === 280 || (it.recorded.at(-1) ?? 0) > 200);
    await eventually(() => it.applied.at(-1) === 280);
    await it.store.verify({ index: 200, term: 1, confState: ALL });
    await assert.rejects(it.store.verify({ index: 60, term: 1, confState: ALL }));
    assert.deepEqual(it.failures, []);
  }
});
