import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Groth16Proof,
  parseProof,
  parseZkey,
  type VerificationKey,
  verificationKeyFromZkey,
  writeZkey,
  type Zkey,
  type ZkeyHeader,
} from '../../src/prover/formats/index.ts';
import { Fq, G1, G2, g2ToJson, verifyGroth16Reference } from '../../src/prover/reference/index.ts';
import { checkProvingKey, checkVerificationKey, singlePartySetup } from '../../src/prover/setup/index.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { forge } from '../support/forged-proofs.ts';
import { isRefusal } from '../support/refusals.ts';
import { closeSnarkjs, snarkjsVerify } from '../support/snarkjs-oracle.ts';
import { strayTwistPoint } from '../support/stray-twist-point.ts';

describe('proving keys that nobody must rely on', () => {
  let zkey: Uint8Array;
  let parsed: Zkey;
  let key: VerificationKey;
  before(async () => {
    const made = await singlePartySetup(chainCircuit(40).r1cs, { threads: 1 });
    zkey = made.zkey;
    key = made.verificationKey;
    parsed = parseZkey(zkey);
  });
  after(closeSnarkjs);

  const withHeader = (change: Partial<ZkeyHeader>): Uint8Array =>
    writeZkey({ ...parsed, header: { ...parsed.header, ...change } });

  it('are those with delta = +-gamma: the forgery verifies everywhere, so the key is refused', async () => {
    for (const sign of [1, -1] as const) {
      // As snarkjs's `zkey new` leaves it: gamma and delta are generators.
      const delta1 = sign === 1 ? G1.generator : G1.neg(G1.generator);
      const delta2 = sign === 1 ? G2.generator : G2.neg(G2.generator);
      const trap = withHeader({ gamma2: G2.generator, delta1, delta2 });
      const trapKey = verificationKeyFromZkey(trap);
      const signals = ['31337', '1'];
      const forged = forge(trapKey, signals, sign);
      assert.deepEqual(parseProof(forged), forged, 'nothing is wrong with the proof itself');
      assert.equal(await snarkjsVerify(trapKey, signals, forged), true);
      assert.equal(verifyGroth16Reference(trapKey, forged, signals), true);
      assert.throws(() => checkProvingKey(trap), isRefusal('key_refused', /delta.*contribute/i));
      assert.throws(() => checkVerificationKey(trapKey), isRefusal('key_refused', /delta/));
      // Under a sound key the same trick fails.
      assert.equal(verifyGroth16Reference(key, forge(key, signals, sign), signals), false);
    }
    assert.doesNotThrow(() => checkVerificationKey(key));
  });

  it('are those with a point at infinity, off the curve or outside the subgroup', () => {
    const stray = strayTwistPoint();
    for (const field of ['alpha1', 'beta1', 'delta1'] as const) {
      assert.throws(
        () => checkProvingKey(withHeader({ [field]: null })),
        isRefusal('key_refused', new RegExp(`${field} is the point at infinity`)),
      );
      assert.throws(
        () => checkProvingKey(withHeader({ [field]: { x: 1n, y: 1n } })),
        isRefusal('key_refused', new RegExp(`${field} is not on`)),
      );
    }
    for (const field of ['beta2', 'gamma2', 'delta2'] as const) {
      assert.throws(
        () => checkProvingKey(withHeader({ [field]: null })),
        isRefusal('key_refused', new RegExp(`${field} is the point at infinity`)),
      );
      assert.throws(
        () => checkProvingKey(withHeader({ [field]: { x: stray.x, y: stray.x } })),
        isRefusal('key_refused', new RegExp(`${field} is not on`)),
      );
      assert.throws(
        () => checkProvingKey(withHeader({ [field]: stray })),
        isRefusal('key_refused', new RegExp(`${field} is outside`)),
      );
    }
    const infiniteIc = Uint8Array.from(parsed.sections.ic).fill(0, 64, 128);
    const sections = { ...parsed.sections, ic: infiniteIc };
    assert.throws(() => checkProvingKey(writeZkey({ ...parsed, sections })), isRefusal('key_refused', /IC\[1\]/));
  });

  it('are those with one stray point among the many of B2', () => {
    const stray = strayTwistPoint();
    const factor = 1n << 256n;
    const b2 = Uint8Array.from(parsed.sections.b2);
    [stray.x.c0, stray.x.c1, stray.y.c0, stray.y.c1].forEach((c, i) => {
      const stored = (c * factor) % Fq.modulus;
      b2.set(Buffer.from(stored.toString(16).padStart(64, '0'), 'hex').reverse(), 128 * 20 + 32 * i);
    });
    const sections = { ...parsed.sections, b2 };
    assert.throws(
      () => checkProvingKey(writeZkey({ ...parsed, sections })),
      isRefusal('key_refused', /B2 has points outside/),
    );
  });

  it('are those whose halves hold different secrets', () => {
    const other = { one: G1.multiply(G1.generator, 77n), two: G2.multiply(G2.generator, 78n) };
    assert.throws(() => checkProvingKey(withHeader({ beta1: other.one })), isRefusal('key_refused', /beta2/));
    assert.throws(() => checkProvingKey(withHeader({ beta2: other.two })), isRefusal('key_refused', /beta2/));
    assert.throws(() => checkProvingKey(withHeader({ delta1: other.one })), isRefusal('key_refused', /delta2/));
    assert.throws(() => checkProvingKey(withHeader({ delta2: other.two })), isRefusal('key_refused', /delta2/));
  });

  it('are those that come with the verification key of another', async () => {
    const { verificationKey: other } = await singlePartySetup(chainCircuit(40).r1cs, { threads: 1 });
    assert.throws(() => checkProvingKey(zkey, other), isRefusal('key_refused', /vk_alpha_1/));
    for (const field of ['vk_beta_2', 'vk_gamma_2', 'vk_delta_2', 'vk_alphabeta_12', 'IC'] as const) {
      const mixed = { ...key, [field]: other[field] };
      assert.throws(() => checkProvingKey(zkey, mixed), isRefusal('key_refused', new RegExp(field)));
    }
    assert.throws(() => checkProvingKey(zkey, { ...key, nPublic: 3 }), isRefusal('key_refused', /nPublic/));
    const { vk_alphabeta_12: _, ...without } = key;
    assert.deepEqual(checkProvingKey(zkey, without), key);
  });

  it('are not those that are malformed: they have a code of their own', () => {
    assert.throws(() => checkProvingKey(zkey.subarray(1)), isRefusal('zkey_invalid'));
    const bad = Uint8Array.from(parsed.sections.coefficients);
    bad[4] = 9;
    const sections = { ...parsed.sections, coefficients: bad };
    assert.throws(() => checkProvingKey(writeZkey({ ...parsed, sections })), isRefusal('zkey_invalid', /matrix/));
  });
});

describe('the reference verifier', () => {
  let key: VerificationKey;
  const proof: Groth16Proof = {
    pi_a: ['1', '2', '1'],
    pi_b: g2ToJson(G2.generator as NonNullable<typeof G2.generator>),
    pi_c: ['1', '2', '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
  before(async () => {
    key = (await singlePartySetup(chainCircuit(1).r1cs, { threads: 1 })).verificationKey;
  });

  it('answers no for a proof of nothing, and takes no malformed part on trust', () => {
    assert.equal(verifyGroth16Reference(key, proof, ['1', '2']), false);
    const other = (change: object) => ({ ...proof, ...change }) as Groth16Proof;
    assert.throws(
      () => verifyGroth16Reference(key, other({ protocol: 'plonk' }), ['1', '2']),
      isRefusal('proof_malformed'),
    );
    assert.throws(
      () => verifyGroth16Reference(key, other({ pi_a: ['1', '3', '1'] }), ['1', '2']),
      isRefusal('proof_malformed'),
    );
    assert.throws(() => verifyGroth16Reference(key, proof, ['1']), isRefusal('public_signals_malformed'));
    assert.throws(() => verifyGroth16Reference(key, proof, ['1', '02']), isRefusal('public_signals_malformed'));
    assert.throws(
      () => verifyGroth16Reference({ ...key, IC: key.IC.slice(1) }, proof, ['1', '2']),
      isRefusal('vkey_invalid'),
    );
  });
});
