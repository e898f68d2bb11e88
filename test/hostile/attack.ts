/** An attack on a process, with somebody honest served all along. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Victim } from './victim.ts';

export interface Limits {
  /** How long an honest step may take, on a machine of two processors which the attacker shares. */
  readonly servedMs: number;
  readonly growthBytes: number;
  readonly pauseMs: number;
}

const HELD_UP_MS = 3_000;

/** Runs the attack with `honest` done again and again until it is over, and looks at the victim afterwards. */
export async function bearsAttack(
  victim: Victim,
  { servedMs, growthBytes, pauseMs }: Limits,
  honest: () => Promise<void>,
  attack: () => Promise<void>,
): Promise<void> {
  const before = await victim.vitals();
  let over = false;
  const attacking = attack().finally(() => {
    over = true;
  });
  attacking.catch(() => {});
  const waits: number[] = [];
  do {
    const begun = performance.now();
    await honest();
    waits.push(performance.now() - begun);
    await sleep(pauseMs);
  } while (!over);
  await attacking;
  const { rssBytes, heldUpMs } = await victim.vitals();
  assert.ok(Math.max(...waits) < servedMs, `an honest one waited ${Math.round(Math.max(...waits))} ms`);
  assert.ok(heldUpMs < HELD_UP_MS, `the event loop was held up for ${Math.round(heldUpMs)} ms`);
  assert.ok(rssBytes - before.rssBytes < growthBytes, `it grew by ${(rssBytes - before.rssBytes) >> 20} MiB`);
}
