import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { encodeKvCommand, KvClient } from '../../../src/raft/index.ts';
import { WITHOUT_OPENSSL } from '../../support/certificates.ts';
import { type ChildNode, eventually, ProcessBed, pause, retried } from '../../support/raft-processes.ts';
import { Clients, complaint } from './clients.ts';

const TIMEOUT_MS = 400;

describe('three processes with mutual TLS', { skip: WITHOUT_OPENSSL }, () => {
  let bed: ProcessBed;
  afterEach(() => bed.close());

  /** One that asks whoever leads, or those that are named. */
  const client = (...nodes: readonly ChildNode[]): KvClient =>
    new KvClient({
      replicas: () => (nodes.length === 0 ? bed.replicas() : nodes.map(({ replica }) => replica)),
      patienceMs: 30_000,
    });

  it('answer as one map would while leaders are killed', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS, snapshotThreshold: 200, trailingEntries: 50 });
    await bed.cluster(['a', 'b', 'c']);
    const clients = new Clients(bed, 6);
    for (let round = 0; round < 4; round += 1) {
      await clients.more(50);
      const leader = await bed.leader();
      await leader.kill();
      await clients.more(20);
      await bed.start(leader.name);
    }
    await clients.stop();
    assert.equal(complaint(clients.check()), '');
    assert.ok(clients.tally.reads > 50, `${clients.tally.reads} reads`);
    await bed.converge();
  });

  it('answer as one map would while leaders are paused, and while leadership is handed over', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS });
    await bed.cluster(['a', 'b', 'c']);
    const clients = new Clients(bed, 6);
    for (let round = 0; round < 2; round += 1) {
      await clients.more(50);
      const paused = await bed.leader();
      paused.signal('SIGSTOP');
      await bed.leader([paused.name]);
      paused.signal('SIGCONT');
      await clients.more(50);
      await retried(async () => await (await bed.leader()).ask({ ask: 'transfer' }));
    }
    await clients.more(50);
    await clients.stop();
    assert.equal(complaint(clients.check()), '');
    await bed.converge();
  });

  it('go on without a paused leader, whose late writes change nothing', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS });
    await bed.cluster(['a', 'b', 'c']);
    const paused = await bed.leader();
    assert.equal(await client(paused).put('before', 'yes'), '');
    paused.signal('SIGSTOP');
    const asked = encodeKvCommand({ kind: 'put', key: 'asked of the paused one', value: 'no' });
    const later = paused.replica.node.propose(asked).then(
      () => 'committed',
      (error: { code: string }) => error.code,
    );
    const next = await bed.leader([paused.name]);
    await client(next).put('meanwhile', 'yes');
    paused.signal('SIGCONT');
    assert.notEqual(await later, 'committed');
    await bed.converge();
    assert.equal(await paused.ask({ ask: 'get', key: 'meanwhile' }), 'yes');
    assert.equal(await paused.ask({ ask: 'get', key: 'asked of the paused one' }), '');
  });

  it('hand over at SIGTERM in less than an election timeout, and answer all that was asked', async () => {
    bed = new ProcessBed({ timeoutMs: 2_000 });
    await bed.cluster(['a', 'b', 'c']);
    const clients = new Clients(bed, 2);
    await clients.more(20);
    const leader = await bed.leader();
    const begunMs = performance.now();
    leader.signal('SIGTERM');
    assert.equal(await leader.exited, 0);
    await clients.more(1);
    const gapMs = performance.now() - begunMs;
    await clients.stop();
    assert.ok(gapMs < 2_000, `writes stood still for ${Math.round(gapMs)} ms`);
    assert.equal(complaint(clients.check()), '');
    await bed.converge();
  });

  it('bring up to date by a snapshot who was away for long', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS, snapshotThreshold: 100, trailingEntries: 20 });
    await bed.cluster(['a', 'b', 'c']);
    const leader = await bed.leader();
    const away = bed.running().find(({ name }) => name !== leader.name);
    assert.ok(away);
    await away.kill();
    await eventually(async () => {
      await leader.ask({ ask: 'load', proposers: 8, durationMs: 300 });
      return (await leader.status()).snapshotIndex > 150;
    });
    const back = await bed.start(away.name);
    const { appliedIndex } = await leader.status();
    await eventually(async () => (await back.status()).appliedIndex >= appliedIndex);
    assert.ok((await back.status()).snapshotIndex > 0);
    await bed.converge();
  });

  it('refuse one that lost its disk, until it is removed and added anew', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS });
    await bed.cluster(['a', 'b', 'c']);
    const leader = await bed.leader();
    await client().put('precious', 'kept');
    const lost = bed.running().find(({ name }) => name !== leader.name);
    assert.ok(lost);
    await lost.kill();
    rmSync(bed.dir(lost.name), { recursive: true });
    const wiped = await bed.start(lost.name);
    await pause(3 * TIMEOUT_MS);
    assert.equal(await wiped.ask({ ask: 'get', key: 'precious' }), '');
    assert.equal((await wiped.status()).isWaiting, true);
    const address = wiped.options.raftAddress;
    await assert.rejects(leader.ask({ ask: 'add', address }), { code: 'membership_refused' });
    await leader.ask({ ask: 'remove', name: wiped.name });
    await leader.ask({ ask: 'add', address });
    await eventually(async () => (await wiped.ask<string>({ ask: 'get', key: 'precious' })) === 'kept');
    await retried(() => leader.ask({ ask: 'promote', name: wiped.name }));
    await bed.converge();
    assert.equal(await client().get('precious'), 'kept');
  });
});
