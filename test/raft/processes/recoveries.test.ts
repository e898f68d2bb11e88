import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { WITHOUT_OPENSSL } from '../../support/certificates.ts';
import { eventually, ProcessBed, pause, retried, type Words } from '../../support/raft-processes.ts';
import { verdict, Writers } from './writers.ts';

const TIMEOUT_MS = 400;

describe('three processes with mutual TLS', { skip: WITHOUT_OPENSSL }, () => {
  let bed: ProcessBed;
  afterEach(() => bed.close());

  async function agreed(acknowledged: ReadonlySet<string>): Promise<void> {
    const leader = await bed.leader();
    const words = await retried(() => leader.ask<Words>({ ask: 'read' }));
    assert.deepEqual(verdict(words, acknowledged), { lost: [], twice: [] });
    await eventually(async () => {
      const all = await Promise.all(bed.running().map((node) => node.ask<Words>({ ask: 'words' })));
      return all.every((other) => JSON.stringify(other) === JSON.stringify(all[0]));
    });
  }

  it('lose nothing that was acknowledged while leaders are killed, and apply nothing twice', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS, snapshotThreshold: 200, trailingEntries: 50 });
    await bed.cluster(['a', 'b', 'c']);
    const writers = new Writers(bed, 4);
    for (let round = 0; round < 4; round += 1) {
      await writers.more(50);
      const leader = await bed.leader();
      await leader.kill();
      await writers.more(20);
      await bed.start(leader.name);
    }
    await writers.stop();
    await agreed(writers.acknowledged);
  });

  it('go on without a paused leader, whose late writes change nothing', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS });
    await bed.cluster(['a', 'b', 'c']);
    const paused = await bed.leader();
    const late = paused.ask({ ask: 'propose', word: 'late' }).catch((error: { code: string }) => error.code);
    await late;
    paused.signal('SIGSTOP');
    const later = paused.ask({ ask: 'propose', word: 'asked of the paused one' }).then(
      () => 'committed',
      (error: { code: string }) => error.code,
    );
    const next = await bed.leader([paused.name]);
    await retried(() => next.ask({ ask: 'propose', word: 'meanwhile' }));
    paused.signal('SIGCONT');
    assert.notEqual(await later, 'committed');
    await agreed(new Set(['meanwhile']));
    const words = new Map(await paused.ask<Words>({ ask: 'words' }));
    assert.ok(words.has('meanwhile'));
  });

  it('hand over at SIGTERM in less than an election timeout, and answer all that was asked', async () => {
    bed = new ProcessBed({ timeoutMs: 2_000 });
    await bed.cluster(['a', 'b', 'c']);
    const writers = new Writers(bed, 2);
    await writers.more(20);
    const leader = await bed.leader();
    const begunMs = performance.now();
    leader.signal('SIGTERM');
    assert.equal(await leader.exited, 0);
    await writers.more(1);
    const gapMs = performance.now() - begunMs;
    await writers.stop();
    assert.ok(gapMs < 2_000, `writes stood still for ${Math.round(gapMs)} ms`);
    await agreed(writers.acknowledged);
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
    await agreed(new Set());
  });

  it('refuse one that lost its disk, until it is removed and added anew', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS });
    await bed.cluster(['a', 'b', 'c']);
    const leader = await bed.leader();
    await leader.ask({ ask: 'propose', word: 'precious' });
    const lost = bed.running().find(({ name }) => name !== leader.name);
    assert.ok(lost);
    await lost.kill();
    rmSync(bed.dir(lost.name), { recursive: true });
    const wiped = await bed.start(lost.name);
    await pause(3 * TIMEOUT_MS);
    assert.deepEqual(await wiped.ask<Words>({ ask: 'words' }), []);
    assert.equal((await wiped.status()).isWaiting, true);
    const address = wiped.options.raftAddress;
    await assert.rejects(leader.ask({ ask: 'add', address }), { code: 'membership_refused' });
    await leader.ask({ ask: 'remove', name: wiped.name });
    await leader.ask({ ask: 'add', address });
    await eventually(async () => new Map(await wiped.ask<Words>({ ask: 'words' })).has('precious'));
    await retried(() => leader.ask({ ask: 'promote', name: wiped.name }));
    await agreed(new Set(['precious']));
  });
});
