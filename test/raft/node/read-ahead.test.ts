import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../src/common/logging/index.ts';
import { MEMBERSHIP_RULES, PROPOSAL_LIMITS, RaftNode, SNAPSHOT_POLICY } from '../../../src/raft/node/index.ts';
import { ReadAhead } from '../../../src/raft/node/read-ahead.ts';
import { systemRuntime } from '../../../src/raft/node/system-runtime.ts';
import { DiskStallWatch } from '../../../src/raft/storage/index.ts';
import { ListMachine } from '../list-machine.ts';
import { LocalNetwork } from './local-network.ts';
import { eventually, retried, text } from './node-bed.ts';
import { SimulatedPlace } from './simulated-place.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('reading ahead', () => {
  /** A log of 100 entries, the last ten in memory, and one window of five. */
  function bed() {
    const loads: { from: number; done: () => void; fail: (error: Error) => void }[] = [];
    const failures: unknown[] = [];
    const world = { window: 0, askAgain: () => {} };
    const readAhead = new ReadAhead({
      log: {
        firstIndex: () => 11,
        lastIndex: () => 100,
        residentTo: (lo) => {
          if (lo > 90) return 101;
          return lo >= world.window && lo < world.window + 5 ? world.window + 5 : lo;
        },
        load: (from, hi) => {
          assert.equal(hi, 101);
          return new Promise((resolve, reject) => {
            const done = () => {
              world.window = from;
              resolve();
            };
            loads.push({ from, done, fail: reject });
          });
        },
      },
      inTurn: (tell) => tell(() => world.askAgain()),
      failed: (error) => failures.push(error),
    });
    return { readAhead, loads, failures, world };
  }

  it('waits for nothing that is in memory, nor for what is compacted', () => {
    const { readAhead, loads } = bed();
    assert.deepEqual(
      [91, 100, 10].map((from) => readAhead.isAtHand(from)),
      [true, true, true],
    );
    assert.equal(loads.length, 0);
  });

  it('reads one window at a time, and has the core take it before the next', async () => {
    const { readAhead, loads, world } = bed();
    assert.deepEqual([readAhead.isAtHand(20), readAhead.isAtHand(20), readAhead.isAtHand(50)], [false, false, false]);
    assert.deepEqual(
      loads.map(({ from }) => from),
      [20],
    );
    const seen: boolean[] = [];
    world.askAgain = () => seen.push(readAhead.isAtHand(20), readAhead.isAtHand(50));
    loads[0]?.done();
    await settled();
    assert.deepEqual(seen, [true, false]);
    assert.deepEqual(
      loads.map(({ from }) => from),
      [20, 50],
    );
  });

  it('serves whoever has waited longest, and nobody who does not ask any more', async () => {
    const { readAhead, loads, world } = bed();
    for (const from of [20, 50, 70]) readAhead.isAtHand(from);
    // The first goes on at once, behind its window; the last is gone.
    world.askAgain = () => {
      readAhead.isAtHand(25);
      readAhead.isAtHand(50);
    };
    loads[0]?.done();
    await settled();
    world.askAgain = () => {
      readAhead.isAtHand(25);
    };
    loads[1]?.done();
    await settled();
    world.askAgain = () => {};
    loads[2]?.done();
    await settled();
    assert.deepEqual(
      loads.map(({ from }) => from),
      [20, 50, 25],
    );
  });

  it('tells of a disk that cannot be read', async () => {
    const { readAhead, loads, failures } = bed();
    readAhead.isAtHand(20);
    loads[0]?.fail(new Error('EIO'));
    await settled();
    assert.match(String(failures[0]), /EIO/);
  });
});

describe('a peer that is behind what the leader has in memory', () => {
  const TIMEOUT_MS = 150;

  it('catches up without one read of the disk on the thread', async () => {
    const network = new LocalNetwork();
    const nodes: RaftNode<string>[] = [];
    const start = async (name: string) => {
      const stall = new DiskStallWatch({ electionTimeoutMs: TIMEOUT_MS, now: systemRuntime.now });
      const place = new SimulatedPlace(name, stall, { residentBytesMax: 40_000, windowBytesMax: 15_000 });
      const machine = new ListMachine();
      const node = new RaftNode<string>({
        name,
        raftAddress: name,
        clientAddress: name,
        place,
        bootstrap: name === 'a',
        connect: network.connector(name),
        heartbeatTimeoutMs: TIMEOUT_MS,
        electionTimeoutMs: TIMEOUT_MS,
        snapshots: SNAPSHOT_POLICY,
        proposals: PROPOSAL_LIMITS,
        membership: { ...MEMBERSHIP_RULES, autoPromote: false },
        maxMessageBytes: 10_000,
        maxAppendEntries: 64,
        commitTimeoutMs: 50,
        stall,
        freeSpace: undefined,
        codec: undefined,
        runtime: systemRuntime,
        observer: {},
        logger: silentLogger,
        onFatal: (error) => assert.fail(error),
      });
      await node.open();
      await node.start(machine);
      nodes.push(node);
      return { node, machine, place };
    };
    const a = await start('a');
    await eventually(() => a.node.status().state === 'Leader');
    for (let i = 0; i < 2_000; i += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, j) => a.node.propose(text(`${i + j} ${'x'.repeat(100)}`))));
    }
    let reads = 0;
    let scans = 0;
    const { disk } = a.place;
    const { get, scan } = disk;
    disk.get = (key) => {
      if (key.startsWith('e')) reads += 1;
      return get.call(disk, key);
    };
    disk.scan = (range) => {
      scans += 1;
      return scan.call(disk, range);
    };
    const others = [await start('b'), await start('c')];
    for (const name of ['b', 'c']) await retried(() => a.node.addPeer(name));
    const words = ({ machine }: { machine: ListMachine }) =>
      machine.applied.map((entry) => entry.text).filter((word) => word !== '');
    await eventually(() => others.every((one) => words(one).length === 2_000), 30_000);
    for (const one of others) assert.deepEqual(words(one), words(a));
    assert.equal(reads, 0, 'entries were read one by one, while everything waited');
    assert.ok(scans > 0, 'nothing was read ahead');
    await Promise.all(nodes.map((node) => node.close()));
  });
});
