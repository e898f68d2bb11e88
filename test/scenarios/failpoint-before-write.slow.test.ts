/** The leader is stopped after the log decided a completion, and before anything of it is sent to the database. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type PausedLeaderSeen, pauseLeader } from './paused-leader.ts';

const WAIT_LIMIT_MS = 2_000;

describe('a leader that is stopped between a decision and writing it', () => {
  it('is succeeded, holds nobody up for two seconds, and changes no row when it runs on', async (t) => {
    const say = (line: string): void => t.diagnostic(line);
    const seen: PausedLeaderSeen = await pauseLeader({ point: 'before-write', say });
    const longest = (['submit', 'status', 'row', 'lock'] as const).map((kind) => ({
      kind,
      ms: seen.waits.longest(kind, seen.ledAtMs),
    }));
    say(
      `held completion written after ${seen.heldMs} ms, the next after ${seen.nextMs} ms; ${JSON.stringify(longest)}`,
    );
    assert.ok(seen.heldMs <= WAIT_LIMIT_MS, `the completion waited ${seen.heldMs} ms`);
    for (const { kind, ms } of longest) assert.ok(ms <= WAIT_LIMIT_MS, `a ${kind} waited ${ms} ms`);
    assert.deepEqual(seen.after, seen.before, 'the old leader changed rows');
    assert.ok(seen.tasks.length > 0);
    assert.deepEqual(
      seen.tasks.filter(({ status }) => status !== 'completed'),
      [],
    );
    assert.match(seen.oldLog, /this coordinator leads no more/);
    assert.deepEqual(seen.states.wrong, []);
    assert.ok(seen.states.compared > 0, 'no state was compared');
    assert.deepEqual([...seen.faultsLogged, ...seen.waits.failed], []);
  });
});
