/** The list of what we refuse and snarkjs accepts, held against both. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Groth16Proof, VerificationKey } from '../../src/prover/formats/index.ts';
import { createProver, type Prover } from '../../src/prover/index.ts';
import { isRefusal } from '../support/refusals.ts';
import { closeSnarkjs, snarkjsVerify } from '../support/snarkjs-oracle.ts';
import { stricterRefusals } from '../support/stricter-refusals.ts';

const README = new URL('../../src/prover/formats/README.md', import.meta.url);
const refusals = stricterRefusals(17);

describe('what is refused here and accepted by snarkjs', () => {
  let provers: Prover[];
  before(async () => {
    provers = [await createProver({ threads: 0 }), await createProver({ backend: 'snarkjs', threads: 1 })];
  });
  after(async () => {
    await closeSnarkjs();
    for (const prover of provers) await prover.close();
  });

  it('is what the README lists, in its order', () => {
    const [, list = ''] = readFileSync(README, 'utf8').split('## Stricter than snarkjs');
    const rows = [...list.matchAll(/^\| (.+?) \| `(\w+)` \|/gm)].map(([, name, code]) => [name, code]);
    assert.deepEqual(
      rows,
      refusals.map(({ name, code }) => [name, code]),
    );
  });

  for (const { name, code, examples } of refusals) {
    it(name, async () => {
      assert.ok(examples.length > 0);
      for (const { key, proof, publicSignals } of examples) {
        const claim = [key as VerificationKey, proof as Groth16Proof, publicSignals as string[]] as const;
        assert.equal(await snarkjsVerify(claim[0], claim[2], claim[1]), true, 'snarkjs accepts it');
        for (const prover of provers) {
          await assert.rejects(prover.verify(...claim), isRefusal(code), prover.backend);
          const batch = prover.verifyBatch(claim[0], [{ proof: claim[1], publicSignals: claim[2] }]);
          if (code === 'vkey_invalid' || code === 'key_refused') await assert.rejects(batch, isRefusal(code));
          else assert.equal((await batch)[0]?.error?.code, code);
        }
      }
    });
  }
});
