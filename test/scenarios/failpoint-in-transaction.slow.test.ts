/**
 * The leader is stopped inside the transaction that writes a completion: rows are changed and locked, nothing is committed.
 * For a while a second coordinator is paused as well, so that nobody succeeds it, and time-outs alone can let others go on.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type PausedLeaderSeen, pauseLeader } from './paused-leader.ts';

const WAIT_LIMIT_MS = 2_000;
/** A wait of two seconds is over at two seconds and what it takes to say so. */
const TOLD_WITHIN_MS = 500;
const ALONE_MS = 4_000;

describe('a leader that is stopped inside its transaction, and at first nobody can succeed it', () => {
  it('holds nobody up for longer than the time-outs, is succeeded, and changes no row when it runs on', async (t) => {
    const say = (line: string): void => t.diagnostic(line);
    const seen: PausedLeaderSeen = await pauseLeader({ point: 'in-transaction', aloneMs: ALONE_MS, say });
    const { waits, cancel, ledAtMs } = seen;
    const kinds = ['submit', 'status', 'row', 'lock'] as const;
    const all = kinds.map((kind) => ({ kind, ms: waits.longest(kind), afterwardsMs: waits.longest(kind, ledAtMs) }));
    say(`held completion written after ${seen.heldMs} ms, the next after ${seen.nextMs} ms`);
    say(`cancel of the locked task answered ${cancel.status} after ${cancel.tookMs} ms; ${JSON.stringify(all)}`);
    assert.ok(seen.succeededMs >= ALONE_MS, `somebody led after ${seen.succeededMs} ms`);
    assert.ok(cancel.tookMs <= WAIT_LIMIT_MS + TOLD_WITHIN_MS, `the request to cancel waited ${cancel.tookMs} ms`);
    if (cancel.status !== 202) assert.deepEqual([cancel.status, cancel.retryAfter !== null], [503, true]);
    for (const { kind, ms, afterwardsMs } of all) {
      assert.ok(ms <= WAIT_LIMIT_MS + TOLD_WITHIN_MS, `a ${kind} waited ${ms} ms`);
      assert.ok(afterwardsMs <= WAIT_LIMIT_MS, `with the next leader a ${kind} waited ${afterwardsMs} ms`);
    }
    assert.ok(seen.heldMs <= WAIT_LIMIT_MS, `the completion waited ${seen.heldMs} ms`);
    assert.deepEqual(seen.after, seen.before, 'the old leader changed rows');
    assert.deepEqual(
      seen.tasks.filter(({ status }) => status !== 'completed'),
      [],
    );
    assert.match(seen.oldLog, /this coordinator leads no more/);
    assert.deepEqual(seen.states.wrong, []);
    assert.deepEqual([...seen.faultsLogged, ...seen.waits.failed], []);
  });
});
