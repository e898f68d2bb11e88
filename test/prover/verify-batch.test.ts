/** `prover.verifyBatch`: what it answers, whatever verifies and on however many threads. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import { BATCH_SLICE, type BackendName, createProver, type Prover } from '../../src/prover/index.ts';
import type { TaskExecutor } from '../../src/prover/pool/executor.ts';
import { PooledProver } from '../../src/prover/pool/pooled-prover.ts';
import type { ProvingTask } from '../../src/prover/pool/tasks.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import { SECOND_LOOKS_MAX } from '../../src/prover/wasm/second-opinion.ts';
import { backendsUnderTest } from '../support/backends.ts';
import { type Claim, MUTATIONS } from '../support/mutated-proofs.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { simulatedKey } from '../support/simulated-proofs.ts';

const random = new SeededRandom(61);
const { key, prove } = simulatedKey(random, 2);
const good: readonly Claim[] = Array.from({ length: 90 }, () =>
  prove(random, [random.bigintBelow(Fr.modulus), random.bigintBelow(Fr.modulus)]),
);
const at = (i: number): Claim => good[i] as Claim;
const damaged = (i: number, how: string): Claim => MUTATIONS[how]?.(at(i), random, at((i + 1) % 90)) as Claim;
const withBad = (size: number, bad: Readonly<Record<number, string>>): Claim[] =>
  good.slice(0, size).map((claim, i) => (bad[i] === undefined ? claim : damaged(i, bad[i])));

const sides: readonly (readonly [BackendName, number])[] = [
  ...(await backendsUnderTest()).flatMap((name): (readonly [BackendName, number])[] => [
    [name, 0],
    [name, 2],
  ]),
  ['snarkjs', 1],
];

for (const [backend, threads] of sides) {
  describe(`a batch, verified by ${backend} on ${threads} threads`, () => {
    let prover: Prover;
    const size = backend === 'snarkjs' ? 6 : 90;
    before(async () => {
      prover = await createProver({ backend, threads });
    });
    after(() => prover.close());

    it('has no bad members when all hold', async () => {
      for (const some of [0, 1, 2, size]) assert.deepEqual(await prover.verifyBatch(key, good.slice(0, some)), []);
    });

    it('names one, two or all that do not hold, by their place in the list', async () => {
      const last = size - 1;
      for (const bad of [[0], [last], [1, last]]) {
        const items = withBad(size, Object.fromEntries(bad.map((i) => [i, 'C of another'])));
        assert.deepEqual(
          await prover.verifyBatch(key, items),
          bad.map((index) => ({ index, confirmed: true })),
        );
      }
      const all = withBad(3, { 0: 'A negated', 1: 'signals that are zero', 2: 'B negated' });
      assert.deepEqual(
        (await prover.verifyBatch(key, all)).map(({ index }) => index),
        [0, 1, 2],
      );
      assert.deepEqual(await prover.verifyBatch(key, all.slice(0, 1)), [{ index: 0, confirmed: true }]);
    });

    it('says why a member is malformed, in the words of verify, and judges the others', async () => {
      const items = withBad(size, { 1: 'A.x + q', 3: 'a signal too many', 4: 'C negated' });
      const bad = await prover.verifyBatch(key, items);
      assert.deepEqual(
        bad.map(({ index, confirmed }) => [index, confirmed]),
        [
          [1, true],
          [3, true],
          [4, true],
        ],
      );
      for (const { index, error } of bad.slice(0, 2)) {
        const { proof, publicSignals } = items[index] as Claim;
        await assert.rejects(prover.verify(key, proof, publicSignals), {
          code: error?.code,
          message: error?.message,
          field: error?.field,
        });
      }
      assert.equal(bad[2]?.error, undefined);
      const alone = await prover.verifyBatch(key, items.slice(1, 2));
      assert.deepEqual([alone[0]?.index, alone[0]?.error?.message], [0, bad[0]?.error?.message]);
    });

    it('is refused whole under a key that is none, or under which anybody can forge', async () => {
      const short = { ...key, IC: key.IC.slice(1) };
      const trap = { ...key, vk_delta_2: key.vk_gamma_2 };
      for (const items of [[], good.slice(0, 1), good.slice(0, 3)]) {
        await assert.rejects(prover.verifyBatch(short, items), isRefusal('vkey_invalid'));
        await assert.rejects(prover.verifyBatch(trap, items), isRefusal('key_refused', /delta/));
      }
      await assert.rejects(prover.verify(trap, at(0).proof, at(0).publicSignals), isRefusal('key_refused', /delta/));
    });

    it('is not begun when it is aborted already', async () => {
      await assert.rejects(
        prover.verifyBatch(key, good.slice(0, 2), { signal: AbortSignal.abort() }),
        isRefusal('prover_aborted'),
      );
    });
  });
}

describe('a batch of several slices', () => {
  const items = Array.from({ length: 3 * BATCH_SLICE }, (_, i) => at(i % 90));
  const proverOver = (run: TaskExecutor<ProvingTask>['run'], threads = 2): PooledProver =>
    new PooledProver({
      backend: 'snarkjs',
      executor: { threads, waiting: 0, running: 0, run, close: async () => {} },
      circuitsMax: 1,
      mode: 'auto',
    });

  it('is taken whole or not at all: a queue that took the first slice is not asked about the others', async () => {
    const accepted: (boolean | undefined)[] = [];
    const prover = proverOver(async (_task, options) => {
      accepted.push(options.accepted);
      return [];
    });
    assert.deepEqual(await prover.verifyBatch(key, items), []);
    assert.deepEqual(accepted, [false, true, true]);
  });

  it('begins nothing when the queue refuses the first', async () => {
    for (const threads of [1, 2, 8]) {
      let begun = 0;
      const prover = proverOver(async (_task, { accepted }) => {
        if (!accepted) throw new ZkraftError('overloaded', 'full');
        begun += 1;
        return [];
      }, threads);
      await assert.rejects(prover.verifyBatch(key, items), isRefusal('overloaded'));
      assert.equal(begun, 0);
    }
  });
});

describe('of many bad members', () => {
  it('four get a second look, and the answer says of the others that they had none', async () => {
    const prover = await createProver({ backend: 'wasm', threads: 0 });
    try {
      const items = withBad(8, Object.fromEntries([0, 1, 2, 3, 5, 6].map((i) => [i, 'C of another'])));
      assert.deepEqual(
        await prover.verifyBatch(key, items),
        [0, 1, 2, 3, 5, 6].map((index, i) => ({ index, confirmed: i < SECOND_LOOKS_MAX })),
      );
    } finally {
      await prover.close();
    }
  });
});
