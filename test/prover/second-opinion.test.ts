import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import { SECOND_LOOKS_MAX, verifyBatchTwice, verifyTwice } from '../../src/prover/wasm/second-opinion.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { simulatedKey } from '../support/simulated-proofs.ts';

const random = new SeededRandom(7);
const { key, prove } = simulatedKey(random, 2);
const claim = prove(random, [3n, 4n]);
const others = ['3', ((4n + 1n) % Fr.modulus).toString()];

describe('a second opinion', () => {
  it('overrules a wrong no, and no right one', () => {
    const no = () => false;
    assert.equal(verifyTwice(no, key, claim.proof, claim.publicSignals), true);
    assert.equal(verifyTwice(no, key, claim.proof, others), false);
  });

  it('is not asked after a yes', () => {
    assert.equal(
      verifyTwice(() => true, {}, {}, {}),
      true,
    );
  });

  it('is not asked about what is malformed', () => {
    const malformed = () => {
      throw new RangeError('malformed');
    };
    assert.throws(() => verifyTwice(malformed, key, claim.proof, claim.publicSignals), /malformed/);
  });

  it('is given to the first bad members of a batch, and strikes out those that the reference finds good', () => {
    const bad = { proof: claim.proof, publicSignals: others };
    const items = [claim, bad, claim, bad, bad, bad, claim];
    const malformed = new ZkraftError('proof_malformed', 'malformed');
    const first = () => [
      { index: 0 },
      { index: 1 },
      { index: 2, error: malformed },
      ...[3, 4, 5, 6].map((index) => ({ index })),
    ];
    assert.equal(SECOND_LOOKS_MAX, 4);
    assert.deepEqual(verifyBatchTwice(first, key, items), [
      { index: 1, confirmed: true },
      { index: 2, error: malformed, confirmed: true },
      { index: 3, confirmed: true },
      { index: 4, confirmed: true },
      { index: 5, confirmed: false },
      { index: 6, confirmed: false },
    ]);
  });
});
