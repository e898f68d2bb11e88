import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../../src/common/logging/index.ts';
import { MEMBERSHIP_RULES, PROPOSAL_LIMITS, RaftNode, SNAPSHOT_POLICY } from '../../../src/raft/node/index.ts';
import { systemRuntime } from '../../../src/raft/node/system-runtime.ts';
import { DiskStallWatch, FreeSpaceGuard } from '../../../src/raft/storage/index.ts';
import { ListMachine } from '../list-machine.ts';
import { LocalNetwork } from './local-network.ts';
import { eventually, pause, retried, text } from './node-bed.ts';
import { SimulatedPlace } from './simulated-place.ts';

const TIMEOUT_MS = 150;
const now = () => performance.now();

interface Bed {
  readonly node: RaftNode<string>;
  readonly place: SimulatedPlace;
  readonly machine: ListMachine;
  readonly fatal: { code: string; message: string }[];
  freeBytes: number;
}

describe('a node and its disk', () => {
  let network: LocalNetwork;
  let beds: Bed[];
  beforeEach(() => {
    network = new LocalNetwork();
    beds = [];
  });
  afterEach(async () => {
    for (const { place, node } of beds) {
      place.disk.autoSync = true;
      place.disk.sync();
      await node.close();
    }
  });

  async function start(name: string, bootstrap: boolean, exitAfterMs = 10_000): Promise<Bed> {
    const stall = new DiskStallWatch({ electionTimeoutMs: TIMEOUT_MS, exitAfterMs, now });
    const place = new SimulatedPlace(name, stall);
    const machine = new ListMachine();
    const bed = { place, machine, fatal: [] as Bed['fatal'], freeBytes: 2 ** 40 } as unknown as Bed & { node: unknown };
    const node = new RaftNode<string>({
      name,
      raftAddress: name,
      clientAddress: `${name}:clients`,
      place,
      bootstrap,
      connect: network.connector(name),
      heartbeatTimeoutMs: TIMEOUT_MS,
      electionTimeoutMs: TIMEOUT_MS,
      snapshots: SNAPSHOT_POLICY,
      proposals: { ...PROPOSAL_LIMITS, countMax: 100, bytesMax: 10_000, commandBytesMax: 1_000 },
      membership: { ...MEMBERSHIP_RULES, promoteInTouchMs: 50 },
      maxMessageBytes: 2 ** 20,
      maxAppendEntries: 64,
      commitTimeoutMs: 50,
      stall,
      freeSpace: new FreeSpaceGuard({ where: name, now, probeIntervalMs: 20, probe: async () => bed.freeBytes }),
      codec: undefined,
      runtime: systemRuntime,
      observer: {},
      logger: silentLogger,
      onFatal: (error) => bed.fatal.push(error),
    });
    Object.assign(bed, { node });
    await node.open();
    await node.start(machine);
    beds.push(bed);
    return bed;
  }

  async function three(): Promise<[Bed, Bed, Bed]> {
    const a = await start('a', true);
    await eventually(() => a.node.status().state === 'Leader');
    const others = [await start('b', false), await start('c', false)] as const;
    for (const name of ['b', 'c']) {
      await retried(() => a.node.addPeer(name));
      await retried(() => a.node.promote(name));
    }
    return [a, ...others];
  }

  it('answers nothing before its own fsync, alone (rule 1)', async () => {
    const a = await start('a', true);
    await eventually(() => a.node.status().state === 'Leader');
    await pause(30);
    a.place.disk.autoSync = false;
    let answered = false;
    const write = a.node.propose(text('x')).then(() => {
      answered = true;
    });
    await pause(50);
    assert.equal(answered, false);
    a.place.disk.sync();
    await write;
  });

  it('sends entries while it syncs them, and commits by the others before its own disk is done', async () => {
    const [a] = await three();
    await pause(50);
    a.place.disk.autoSync = false;
    const { result } = await a.node.propose(text('by the two others')).catch((error) => ({ result: error.code }));
    // Committed by b and c; applied here only once it is on this disk too.
    assert.equal(result, 'outcome_unknown');
    await eventually(() =>
      beds.slice(1).every(({ machine }) => machine.applied.some((e) => e.text === 'by the two others')),
    );
  });

  it('does not acknowledge to a leader what it has not synced (rule 1)', async () => {
    const [a, b, c] = await three();
    await pause(50);
    for (const { place } of [b, c]) place.disk.autoSync = false;
    let answered = false;
    const write = a.node.propose(text('x')).then(
      () => {
        answered = true;
      },
      () => {},
    );
    await pause(60);
    assert.equal(answered, false, 'one of three has it');
    b.place.disk.sync();
    await eventually(() => answered);
    await write;
  });

  it('gives up leadership over a stalled disk, and does not campaign while it lasts (rule 3)', async () => {
    const [a, b, c] = await three();
    a.place.disk.autoSync = false;
    const lost = a.node.propose(text('x')).catch((error) => error.code);
    await eventually(() => a.node.status().state !== 'Leader');
    await eventually(() => [b, c].some(({ node }) => node.status().state === 'Leader'));
    assert.equal(await lost, 'outcome_unknown');
    const { term } = a.node.status();
    for (const { node } of [b, c]) await node.close();
    await pause(6 * TIMEOUT_MS);
    assert.equal(a.node.status().state, 'Follower');
    assert.ok(a.node.status().term <= term + 1);
    assert.deepEqual(a.fatal, []);
  });

  it('finishes what is in flight before it hands over, and takes nothing new meanwhile', async () => {
    const [a] = await three();
    await pause(50);
    a.place.disk.autoSync = false;
    const before = a.node.propose(text('before')).then(
      () => 'committed',
      (error) => error.code,
    );
    await pause(10);
    const moved = a.node.transferLeadership('b');
    await pause(20);
    const meanwhile = await Promise.race([a.node.propose(text('x')).catch((error) => error.code), pause(40)]);
    a.place.disk.autoSync = true;
    a.place.disk.sync();
    assert.equal(meanwhile, 'not_leader');
    assert.equal(await before, 'committed');
    assert.equal(await moved, 'b');
  });

  it('ends when the disk does not come back (rule 3)', async () => {
    const a = await start('a', true, 600);
    await eventually(() => a.node.status().state === 'Leader');
    a.place.disk.autoSync = false;
    const lost = a.node.propose(text('x')).catch((error) => error.code);
    await eventually(() => a.fatal.length === 1);
    assert.equal(a.fatal[0]?.code, 'log_write_failed');
    assert.equal(await lost, 'outcome_unknown');
    assert.equal(a.node.status().state, 'Shutdown');
  });

  it('ends at the first failed write, and never tries it again (rule 3)', async () => {
    const a = await start('a', true);
    await eventually(() => a.node.status().state === 'Leader');
    await pause(30);
    a.place.disk.failNext(new Error('EIO'));
    const syncs = a.place.disk.syncs;
    await assert.rejects(a.node.propose(text('x')), { code: 'outcome_unknown' });
    await assert.rejects(a.node.propose(text('y')), { code: 'shutting_down' });
    await pause(30);
    assert.equal(a.fatal.length, 1);
    assert.equal(a.place.disk.syncs, syncs);
  });

  it('shares one fsync among all that waits (group commit)', async () => {
    const a = await start('a', true);
    await eventually(() => a.node.status().state === 'Leader');
    await pause(30);
    const before = a.place.disk.syncs;
    a.place.disk.autoSync = false;
    const writes = Array.from({ length: 90 }, (_, i) => a.node.propose(text(`${i}`)));
    await pause(20);
    while (a.place.disk.sync() > 0 || a.machine.applied.filter((e) => e.text !== '').length < 90) await pause(1);
    await Promise.all(writes);
    assert.ok(a.place.disk.syncs - before <= 3, `${a.place.disk.syncs - before} syncs for 90 commands`);
  });

  it('refuses what is too much at once, by count, by bytes, by size', async () => {
    const a = await start('a', true);
    await eventually(() => a.node.status().state === 'Leader');
    a.place.disk.autoSync = false;
    const outcomes = Array.from({ length: 101 }, () => a.node.propose(text('x')).catch((error) => error.code));
    assert.equal(await outcomes[100], 'overloaded');
    a.place.disk.autoSync = true;
    a.place.disk.sync();
    await Promise.all(outcomes);
    a.place.disk.autoSync = false;
    const large = Array.from({ length: 11 }, () => a.node.propose(new Uint8Array(950)).catch((error) => error.code));
    assert.equal(await large[10], 'overloaded');
    assert.equal(await a.node.propose(new Uint8Array(1_000)).catch((error) => error.code), 'invalid_request');
    a.place.disk.autoSync = true;
    a.place.disk.sync();
    await Promise.all(large);
  });

  it('takes nothing new when the disk is nearly full, and goes on when there is room', async () => {
    const a = await start('a', true);
    await eventually(() => a.node.status().state === 'Leader');
    await a.node.propose(text('fits'));
    a.freeBytes = 100 * 2 ** 20;
    await eventually(() =>
      a.node.propose(text('x')).then(
        () => false,
        (error) => error.code === 'disk_full',
      ),
    );
    assert.equal(a.node.status().state, 'Leader');
    a.freeBytes = 2 ** 40;
    await retried(() => a.node.propose(text('fits again')));
  });

  it('keeps 10,240 entries behind a snapshot by default (rule 4)', () => {
    assert.equal(SNAPSHOT_POLICY.trailingEntries, 10_240);
    assert.deepEqual([SNAPSHOT_POLICY.intervalMs, SNAPSHOT_POLICY.threshold], [120_000, 8_192]);
  });
});
