/** At depth 20, too, every kernel module makes the formula's proof, byte for byte; and so does snarkjs. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { parseWtns, parseZkey } from '../../src/prover/formats/index.ts';
import { divide } from '../../src/prover/pool/joint-proof.ts';
import { proveGroth16Reference } from '../../src/prover/reference/index.ts';
import { KERNEL_NAMES } from '../support/kernels.ts';
import { merkleCase, type ProofCase } from '../support/proof-cases.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { snarkjsProveWith } from '../support/snarkjs-blinding.ts';
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';
import { ProofBed } from '../support/wasm-proofs.ts';

const DEPTH = 20;

describe(`a proof of depth ${DEPTH} is the formula's, byte for byte`, () => {
  const random = new SeededRandom(2020);
  const blinding = { r: random.bigintBelow(R), s: random.bigintBelow(R) };
  let deep: ProofCase;
  let expected: string;
  before(async () => {
    deep = await merkleCase(DEPTH);
    expected = JSON.stringify(proveGroth16Reference(parseZkey(deep.zkey), parseWtns(deep.wtns), blinding).proof);
  });
  after(closeSnarkjs);

  it('made by snarkjs', async () => {
    const { proof } = await snarkjsProveWith(deep.zkey, deep.wtns, blinding);
    assert.equal(JSON.stringify(proof), expected);
  });

  for (const name of KERNEL_NAMES) {
    it(`made with ${name} kernels, by one thread and in parts; and it verifies`, async () => {
      const bed = await ProofBed.create(name, deep.zkey, deep.wtns);
      const proof = bed.prove(blinding);
      assert.equal(JSON.stringify(proof), expected);
      for (const threads of [2, 5]) {
        const plan = divide(bed.circuit, threads).flat();
        const parts = plan.map((part) => part.parts);
        assert.equal(JSON.stringify(bed.proveInParts(blinding, parts)), expected, `${threads} threads`);
      }
      assert.equal(await bed.verify(deep.verificationKey, proof, bed.publicSignals), true);
    });
  }
});
