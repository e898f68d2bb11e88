/** What the host may rely on, asked of both storages: the folder on disk and its twin in memory. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import {
  createMemoryStorage,
  openMemoryLog,
  openSingleNodeLog,
  type ReplicatedLog,
  type SingleNodeLogOptions,
} from '../../src/raft/index.ts';
import { ListMachine } from './list-machine.ts';

interface Bed {
  open(options?: Partial<SingleNodeLogOptions>): Promise<ReplicatedLog<string>>;
}

const BASE = { nodeId: 'n1', grpcAddress: '127.0.0.1:9090', logger: silentLogger };
const dirs: string[] = [];

const beds: Record<string, () => Promise<Bed>> = {
  'on disk': async () => {
    const dir = await mkdtemp(join(tmpdir(), 'zkraft-log-'));
    dirs.push(dir);
    return { open: (options) => openSingleNodeLog<string>({ ...BASE, dir, ...options }) };
  },
  'in memory': async () => {
    const disk = createMemoryStorage();
    return { open: (options) => openMemoryLog<string>({ ...BASE, disk, ...options }) };
  },
};

after(async () => {
  for (const dir of dirs) await rm(dir, { recursive: true, force: true });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const hasCode = (code: string) => (error: unknown) => error instanceof ZkraftError && error.code === code;

for (const [name, makeBed] of Object.entries(beds)) {
  describe(`the one-node log ${name}`, () => {
    test('leads after its start, with an empty entry of a new term', async () => {
      const bed = await makeBed();
      const log = await bed.open();
      assert.equal(log.status().state, 'Follower');
      await assert.rejects(log.propose(bytes('early')), hasCode('not_leader'));
      const machine = new ListMachine();
      const seen: string[] = [];
      log.onStateChange((status) => seen.push(status.state));
      await log.start(machine);
      const status = log.status();
      assert.deepEqual([status.state, status.term, status.commitIndex, status.leaderId], ['Leader', 1, 1, 'n1']);
      assert.equal(status.leaderAddress, '127.0.0.1:9090');
      assert.deepEqual(machine.applied, [{ index: 1, term: 1, text: '' }]);
      await log.close();
      assert.deepEqual(seen, ['Leader', 'Shutdown']);
    });

    test('applies proposals in order, without gaps, and tells each proposer its own result', async () => {
      const bed = await makeBed();
      const log = await bed.open();
      const machine = new ListMachine();
      await log.start(machine);
      const answers = await Promise.all(Array.from({ length: 1_200 }, (_, i) => log.propose(bytes(`p${i}`))));
      answers.forEach((answer, i) => {
        assert.equal(answer.index, i + 2);
        assert.equal(answer.result, `applied p${i}`);
      });
      assert.deepEqual(
        machine.applied.slice(1).map((entry) => entry.text),
        answers.map((_, i) => `p${i}`),
      );
      assert.equal(await log.readIndex(), 1_201);
      await log.close();
    });

    test('shares one durable batch among concurrent proposals', async () => {
      const bed = await makeBed();
      const batches: number[] = [];
      const log = await bed.open({ observer: { appended: (_ms, entries) => batches.push(entries) } });
      await log.start(new ListMachine());
      await Promise.all(Array.from({ length: 300 }, (_, i) => log.propose(bytes(String(i)))));
      assert.ok(batches.length <= 3, `300 proposals took ${batches.length} batches`);
      await log.close();
    });

    test('remembers everything over a restart, in a later term and under the same ids', async () => {
      const bed = await makeBed();
      const first = await bed.open();
      await first.start(new ListMachine());
      await first.propose(bytes('a'));
      await first.propose(bytes('b'));
      const before = first.status();
      await first.close();
      const second = await bed.open();
      const machine = new ListMachine();
      await second.start(machine);
      assert.deepEqual(
        machine.applied.map((entry) => `${entry.term}:${entry.text}`),
        ['1:', '1:a', '1:b', '2:'],
      );
      assert.equal(second.status().clusterId, before.clusterId);
      assert.equal(second.status().term, 2);
      await second.close();
    });

    test('restores from a snapshot and replays only what follows, to the same state', async () => {
      const bed = await makeBed();
      const options = { snapshotThreshold: 50, trailingEntries: 5 };
      const first = await bed.open(options);
      const written = new ListMachine();
      await first.start(written);
      for (let i = 0; i < 230; i += 1) await first.propose(bytes(`v${i}`));
      const { snapshotIndex } = first.status();
      assert.ok(snapshotIndex >= 150, `snapshot at ${snapshotIndex}`);
      await first.close();
      const second = await bed.open(options);
      const machine = new ListMachine();
      await second.start(machine);
      assert.ok(machine.applies < 120, `replayed ${machine.applies}`);
      assert.deepEqual(machine.applied.slice(0, -1), written.applied);
      await second.close();
    });

    test('refuses a second opener of the same place', async () => {
      const bed = await makeBed();
      const log = await bed.open();
      await assert.rejects(bed.open(), hasCode('already_running'));
      await log.close();
      await (await bed.open()).close();
    });

    test('bounds its queue', async () => {
      const bed = await makeBed();
      const log = await bed.open({ queueMax: 10 });
      await log.start(new ListMachine());
      const results = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => log.propose(bytes(String(i)))));
      const refused = results.filter((r) => r.status === 'rejected' && hasCode('overloaded')(r.reason));
      assert.equal(refused.length, 40);
      await log.close();
    });

    test('commits what was proposed before its close, and takes nothing after', async () => {
      const bed = await makeBed();
      const log = await bed.open();
      await log.start(new ListMachine());
      const last = log.propose(bytes('last'));
      const closing = log.close();
      await assert.rejects(log.propose(bytes('late')), hasCode('shutting_down'));
      assert.equal((await last).result, 'applied last');
      await closing;
      await log.close();
      const again = await bed.open();
      const machine = new ListMachine();
      await again.start(machine);
      assert.equal(machine.applied[1]?.text, 'last');
      await again.close();
    });
  });
}

test('a failed write stops the node: outcomes unknown, nothing accepted any more', async () => {
  const disk = createMemoryStorage();
  const log = await openMemoryLog<string>({ ...BASE, disk });
  const machine = new ListMachine();
  await log.start(machine);
  const states: string[] = [];
  log.onStateChange((status) => states.push(status.state));
  disk.appendError = new Error('EIO');
  await assert.rejects(log.propose(bytes('x')), hasCode('internal'));
  disk.appendError = undefined;
  await assert.rejects(log.propose(bytes('y')), hasCode('shutting_down'));
  assert.deepEqual(states, ['Shutdown']);
  assert.equal(machine.applied.length, 1);
  await log.close();
});
