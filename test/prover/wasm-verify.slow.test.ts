import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Fr } from '../../src/prover/reference/index.ts';
import { type Claim, MUTATIONS, referenceAnswer, rerandomised } from '../support/mutated-proofs.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { simulatedKey } from '../support/simulated-proofs.ts';
import { closeSnarkjs, snarkjsVerify } from '../support/snarkjs-oracle.ts';
import { stricterRefusals } from '../support/stricter-refusals.ts';
import { verificationBench } from '../support/verification-bench.ts';
import { fuzzVerification } from '../support/verification-fuzz.ts';

after(closeSnarkjs);

describe('verification, at length', () => {
  it('agrees with the reference on 600 claims, and accepts none that snarkjs refuses', async () => {
    const random = new SeededRandom(44);
    const signals = () => Array.from({ length: 3 }, () => random.bigintBelow(Fr.modulus));
    const { key, prove } = simulatedKey(random, 3);
    const bench = await verificationBench(key);
    const claims: Claim[] = Array.from({ length: 20 }, () => prove(random, signals()));
    const mutations = Object.values(MUTATIONS);
    const claimAt = () => claims[random.below(claims.length)] as Claim;
    for (let i = 0; i < 600; i++) {
      const mutate = mutations[i % mutations.length] as (typeof mutations)[number];
      const claim =
        i % 5 === 0 ? rerandomised(claimAt(), key.vk_delta_2, random) : (mutate(claimAt(), random, claimAt()) as Claim);
      const expected = referenceAnswer(key, claim);
      assert.equal(bench.answer(claim), expected, JSON.stringify(claim));
      if (expected === true) assert.ok(await snarkjsVerify(key, claim.publicSignals, claim.proof));
    }
  });

  it('accepts nothing that snarkjs refuses, and refuses more by the list alone (npm run fuzz:verify: 6,000)', async (t) => {
    const { wrong, stricter, refusedByBoth, batches } = await fuzzVerification({ valid: 60, mutated: 240, seed: 46 });
    t.diagnostic(`${refusedByBoth} refused by both, ${batches} batches, ${JSON.stringify(stricter)}`);
    assert.deepEqual(wrong, []);
    assert.ok(refusedByBoth > 150 && batches > 5);
    assert.ok(Object.keys(stricter).length >= 5);
    const listed = new Set(stricterRefusals(47).map(({ name }) => name));
    assert.deepEqual(
      Object.keys(stricter).filter((name) => !listed.has(name)),
      [],
    );
  });

  it('names the bad ones of 100 random batches', async () => {
    const random = new SeededRandom(45);
    const { key, prove } = simulatedKey(random, 1);
    const bench = await verificationBench(key);
    const claims: Claim[] = Array.from({ length: 80 }, () => prove(random, [random.bigintBelow(Fr.modulus)]));
    const names = Object.keys(MUTATIONS);
    for (let i = 0; i < 100; i++) {
      const size = 1 + random.below(64);
      const share = [0, 1, 4, 16][i % 4] as number;
      const bad: number[] = [];
      const items = claims.slice(0, size).map((claim, index) => {
        if (random.below(16) >= share) return claim;
        bad.push(index);
        const mutate = MUTATIONS[names[random.below(names.length)] as string];
        return mutate?.(claim, random, claims[79] as Claim) as Claim;
      });
      assert.deepEqual(
        bench.batch(items).map(({ index }) => index),
        bad,
      );
    }
  });
});
