import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fr } from '../../src/prover/reference/index.ts';
import { verifyTwice } from '../../src/prover/wasm/second-opinion.ts';
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
});
