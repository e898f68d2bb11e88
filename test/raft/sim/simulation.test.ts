import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type ProfileName, simulate } from '../../../src/raft/sim/index.ts';

interface FailingSeed {
  readonly seed: number;
  readonly ticks: number;
  readonly profile: ProfileName;
}

describe('a simulated world', () => {
  test('is the same again for the same seed, and another for another', async () => {
    const run = async (seed: number): Promise<string> => (await simulate({ seed, ticks: 500 })).traceHash;
    const first = await run(11);
    assert.match(first, /^[0-9a-f]{16}$/);
    assert.equal(await run(11), first);
    assert.notEqual(await run(12), first);
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`of seed ${seed} keeps what Raft promises`, async (t) => {
      const { violation, events, faults, operations } = await simulate({ seed, ticks: 800 });
      t.diagnostic(`${events} events, ${faults} faults, ${operations} operations`);
      assert.equal(violation, undefined, violation?.message);
      assert.ok(operations > 0);
    });
  }

  test('that once failed does not fail again', async () => {
    const { seeds } = JSON.parse(readFileSync(new URL('./failing-seeds.json', import.meta.url), 'utf8')) as {
      readonly seeds: readonly FailingSeed[];
    };
    for (const { seed, ticks, profile } of seeds) {
      const { violation } = await simulate({ seed, ticks, profile });
      assert.equal(violation, undefined, `seed ${seed} x ${ticks} ticks, ${profile}: ${violation?.message}`);
    }
  });
});
