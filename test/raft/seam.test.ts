/** What a host may rely on (`replicated-log.ts`), asked of a node that is alone: in a folder, and on a disk in memory. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import {
  type NodeObserver,
  openRaftNode,
  PROPOSAL_LIMITS,
  type ReplicatedLog,
  SNAPSHOT_POLICY,
  stayAlone,
} from '../../src/raft/index.ts';
import { ListMachine } from './list-machine.ts';
import { MemoryNodePlace } from './node/memory-node.ts';
import { eventually } from './node/node-bed.ts';

interface More {
  readonly observer?: NodeObserver;
  readonly snapshotThreshold?: number;
  readonly trailingEntries?: number;
}

interface Bed {
  open(more?: More): Promise<ReplicatedLog<string>>;
}

const BASE = {
  name: 'n1',
  raftAddress: '',
  clientAddress: '127.0.0.1:9090',
  bootstrap: true,
  connect: stayAlone,
  logger: silentLogger,
  onFatal: () => {},
} as const;
const dirs: string[] = [];
after(async () => {
  for (const dir of dirs) await rm(dir, { recursive: true, force: true });
});

const beds: Record<string, () => Promise<Bed>> = {
  'in a folder': async () => {
    const dir = await mkdtemp(join(tmpdir(), 'zkraft-log-'));
    dirs.push(dir);
    return { open: (more = {}) => openRaftNode<string>({ ...BASE, dir, freeBytesMin: 0, ...more }) };
  },
  'in memory': async () => {
    const place = new MemoryNodePlace();
    return {
      open: ({ observer = {}, ...snapshots } = {}) =>
        place.open<string>({
          observer,
          snapshots: {
            ...SNAPSHOT_POLICY,
            threshold: snapshots.snapshotThreshold ?? SNAPSHOT_POLICY.threshold,
            trailingEntries: snapshots.trailingEntries ?? SNAPSHOT_POLICY.trailingEntries,
          },
        }),
    };
  },
};

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const hasCode = (code: string) => (error: unknown) => error instanceof ZkraftError && error.code === code;
const leads = (log: ReplicatedLog<string>) => eventually(() => log.status().state === 'Leader');
const told = ({ applied }: ListMachine): string[] => applied.map(({ text }) => text).filter((text) => text !== '');

for (const [name, makeBed] of Object.entries(beds)) {
  describe(`the log of a node that is alone, ${name}`, () => {
    test('leads in a moment after its start, and says so to those who listen', async () => {
      const log = await (await makeBed()).open();
      assert.equal(log.status().state, 'Follower');
      await assert.rejects(log.propose(bytes('early')), hasCode('not_leader'));
      const seen: string[] = [];
      log.onStateChange(({ state }) => {
        if (seen.at(-1) !== state) seen.push(state);
      });
      await log.start(new ListMachine());
      const beganMs = performance.now();
      await leads(log);
      assert.ok(performance.now() - beganMs < 500, 'without waiting for an election timeout');
      const { leaderId, leaderAddress, peers } = log.status();
      assert.deepEqual([leaderId, leaderAddress, peers], ['n1', '127.0.0.1:9090', 1]);
      await log.handOver();
      assert.equal(log.status().state, 'Leader', 'there is nobody to hand over to');
      await log.close();
      assert.deepEqual([seen.includes('Leader'), seen.at(-1)], [true, 'Shutdown']);
    });

    test('applies every index once, in order, and tells each proposer its own result', async () => {
      const log = await (await makeBed()).open();
      const machine = new ListMachine();
      await log.start(machine);
      await leads(log);
      const answers = await Promise.all(Array.from({ length: 1_200 }, (_, i) => log.propose(bytes(`p${i}`))));
      for (const [i, { index, result }] of answers.entries()) {
        assert.equal(result, `applied p${i}`);
        assert.equal(machine.applied[index - 1]?.text, `p${i}`);
      }
      assert.deepEqual(
        machine.applied.map(({ index }) => index),
        machine.applied.map((_, i) => i + 1),
      );
      assert.ok((await log.readIndex()) >= (answers.at(-1)?.index ?? Number.POSITIVE_INFINITY));
      await log.close();
    });

    test('shares durable batches among concurrent proposals', async () => {
      const batches: number[] = [];
      const log = await (await makeBed()).open({
        observer: { appended: (_ms, entries) => void (entries > 0 && batches.push(entries)) },
      });
      await log.start(new ListMachine());
      await leads(log);
      await log.readIndex();
      batches.length = 0;
      await Promise.all(Array.from({ length: 300 }, (_, i) => log.propose(bytes(String(i)))));
      assert.ok(batches.length <= 4, `300 proposals took ${batches.length} batches`);
      await log.close();
    });

    test('remembers everything over a restart, in a later term and under the same ids', async () => {
      const bed = await makeBed();
      const first = await bed.open();
      await first.start(new ListMachine());
      await leads(first);
      await first.propose(bytes('a'));
      await first.propose(bytes('b'));
      const before = first.status();
      await first.close();
      const second = await bed.open();
      const machine = new ListMachine();
      await second.start(machine);
      await leads(second);
      await second.readIndex();
      assert.deepEqual(told(machine), ['a', 'b']);
      assert.equal(second.status().clusterId, before.clusterId);
      assert.ok(second.status().term > before.term);
      await second.close();
    });

    test('restores from a snapshot and replays only what follows, to the same state', async () => {
      const bed = await makeBed();
      const more = { snapshotThreshold: 50, trailingEntries: 5 };
      const first = await bed.open(more);
      const written = new ListMachine();
      await first.start(written);
      await leads(first);
      for (let i = 0; i < 230; i += 1) await first.propose(bytes(`v${i}`));
      await eventually(() => first.status().snapshotIndex >= 150);
      await first.close();
      const second = await bed.open(more);
      const machine = new ListMachine();
      await second.start(machine);
      await leads(second);
      await second.readIndex();
      assert.ok(machine.applies < 120, `replayed ${machine.applies}`);
      assert.deepEqual(machine.applied.slice(0, written.applied.length), written.applied);
      await second.close();
    });

    test('bounds what is in flight', async () => {
      const log = await (await makeBed()).open();
      await log.start(new ListMachine());
      await leads(log);
      const many = Array.from({ length: PROPOSAL_LIMITS.countMax + 40 }, (_, i) => log.propose(bytes(String(i))));
      const results = await Promise.allSettled(many);
      const refused = results.filter((r) => r.status === 'rejected' && hasCode('overloaded')(r.reason));
      assert.equal(refused.length, 40);
      await log.close();
    });
  });
}

test('a failed write ends the node: outcomes unknown, nothing is accepted any more, and its owner is told', async () => {
  const place = new MemoryNodePlace();
  const fatal: string[] = [];
  const node = await place.open<string>({ onFatal: ({ code }) => fatal.push(code) });
  const machine = new ListMachine();
  await node.start(machine);
  await leads(node);
  await node.readIndex();
  place.disk.failNext(new Error('EIO'));
  await assert.rejects(node.propose(bytes('x')), hasCode('outcome_unknown'));
  await assert.rejects(node.propose(bytes('y')), hasCode('shutting_down'));
  assert.equal(node.status().state, 'Shutdown');
  assert.equal(fatal.length, 1);
  assert.deepEqual(told(machine), []);
  await node.close();
});
