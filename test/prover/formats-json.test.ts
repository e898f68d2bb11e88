import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  type Groth16Proof,
  PROOF_BYTES,
  parseProof,
  parsePublicSignals,
  parseVerificationKey,
  proofFromBytes,
  proofToBytes,
  signalsFromBytes,
  signalsToBytes,
  type VerificationKey,
} from '../../src/prover/formats/index.ts';
import { Fq, Fr, G1, G2, g1ToJson, g2ToJson } from '../../src/prover/reference/index.ts';
import { singlePartySetup } from '../../src/prover/setup/index.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { isRefusal } from '../support/refusals.ts';
import { strayTwistPoint } from '../support/stray-twist-point.ts';

type Json = Record<string, unknown>;

const g1 = (k: bigint) => {
  const p = G1.multiply(G1.generator, k);
  assert.ok(p);
  return g1ToJson(p);
};
const g2 = (k: bigint) => {
  const p = G2.multiply(G2.generator, k);
  assert.ok(p);
  return g2ToJson(p);
};

const proof: Groth16Proof = { pi_a: g1(5n), pi_b: g2(6n), pi_c: g1(7n), protocol: 'groth16', curve: 'bn128' };
const [ax, ay] = proof.pi_a;
const [bx, by] = proof.pi_b;
const STRAY = g2ToJson(strayTwistPoint());

describe('proofs in JSON', () => {
  it('are read back as they were written', () => {
    assert.deepEqual(parseProof(JSON.parse(JSON.stringify(proof))), proof);
  });

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['null', null, /^proof is null/],
    ['a list', [proof], /^proof/],
    ['text', JSON.stringify(proof), /^proof/],
    ['no pi_b', { ...proof, pi_b: undefined }, /^pi_b/],
    ['an unknown field', { ...proof, extra: 1 }, /^extra/],
    ['another protocol', { ...proof, protocol: 'plonk' }, /^protocol/],
    ['no protocol', { pi_a: proof.pi_a, pi_b: proof.pi_b, pi_c: proof.pi_c, curve: 'bn128' }, /^protocol/],
    ['another curve', { ...proof, curve: 'bls12381' }, /^curve/],
    ['another spelling of the curve', { ...proof, curve: 'BN128' }, /^curve/],
    ['A.x + q', { ...proof, pi_a: [(BigInt(ax) + Fq.modulus).toString(), ay, '1'] }, /^pi_a\[0\]/],
    ['q itself', { ...proof, pi_a: [Fq.modulus.toString(), ay, '1'] }, /^pi_a\[0\]/],
    ['hex', { ...proof, pi_a: [`0x${BigInt(ax).toString(16)}`, ay, '1'] }, /^pi_a\[0\]/],
    ['a leading zero', { ...proof, pi_a: [`0${ax}`, ay, '1'] }, /^pi_a\[0\]/],
    ['a plus sign', { ...proof, pi_a: [`+${ax}`, ay, '1'] }, /^pi_a\[0\]/],
    ['a minus sign', { ...proof, pi_a: [ax, `-${ay}`, '1'] }, /^pi_a\[1\]/],
    ['white space', { ...proof, pi_a: [`${ax} `, ay, '1'] }, /^pi_a\[0\]/],
    ['a line end', { ...proof, pi_a: [`${ax}\n`, ay, '1'] }, /^pi_a\[0\]/],
    ['other digits', { ...proof, pi_a: ['１', '２', '1'] }, /^pi_a\[0\]/],
    ['nothing', { ...proof, pi_a: ['', ay, '1'] }, /^pi_a\[0\]/],
    ['a number', { ...proof, pi_a: [1, 2, '1'] }, /^pi_a\[0\]/],
    ['a thousand digits', { ...proof, pi_a: ['1'.repeat(1000), ay, '1'] }, /^pi_a\[0\]/],
    ['z = 2', { ...proof, pi_a: [ax, ay, '2'] }, /^pi_a\[2\]/],
    ['infinity', { ...proof, pi_a: ['0', '1', '0'] }, /^pi_a\[2\]/],
    ['zeros', { ...proof, pi_a: ['0', '0', '1'] }, /^pi_a is not a point/],
    ['too few coordinates', { ...proof, pi_a: [ax, ay] }, /^pi_a/],
    ['too many coordinates', { ...proof, pi_a: [ax, ay, '1', '1'] }, /^pi_a/],
    ['a point off the curve', { ...proof, pi_c: [ax, (BigInt(ay) + 1n).toString(), '1'] }, /^pi_c is not/],
    ['a G2 point off the curve', { ...proof, pi_b: [by, bx, ['1', '0']] }, /^pi_b is not/],
    ['a G2 point outside the subgroup', { ...proof, pi_b: STRAY }, /^pi_b .*subgroup/],
    [
      'a G2 coordinate + q',
      { ...proof, pi_b: [[bx[0], (BigInt(bx[1]) + Fq.modulus).toString()], by, ['1', '0']] },
      /^pi_b\[0\]\[1\]/,
    ],
    ['a G2 z that is not one', { ...proof, pi_b: [bx, by, ['1', '1']] }, /^pi_b\[2\]/],
    [
      'infinity in G2',
      {
        ...proof,
        pi_b: [
          ['0', '0'],
          ['1', '0'],
          ['0', '0'],
        ],
      },
      /^pi_b\[2\]/,
    ],
    ['a flat G2 point', { ...proof, pi_b: [...bx, ...by] }, /^pi_b/],
  ];

  it('are refused, naming the field, for everything else', () => {
    for (const [name, json, message] of wrong) {
      assert.throws(() => parseProof(json), isRefusal('proof_malformed', message), name);
    }
  });

  it('are refused for each of 120 small changes of a coordinate', () => {
    const coordinates: readonly (readonly [keyof Groth16Proof, number, number?])[] = [
      ['pi_a', 0],
      ['pi_a', 1],
      ['pi_b', 0, 0],
      ['pi_b', 1, 1],
      ['pi_c', 0],
      ['pi_c', 1],
    ];
    for (const [field, i, k] of coordinates) {
      for (let step = 1n; step <= 20n; step++) {
        const json = JSON.parse(JSON.stringify(proof)) as Record<string, (string | string[])[]>;
        const list = json[field] ?? [];
        const inner = k === undefined ? list : (list[i] as string[]);
        const at = k ?? i;
        inner[at] = (BigInt(inner[at] as string) + step).toString();
        assert.throws(() => parseProof(json), isRefusal('proof_malformed', new RegExp(`^${field}`)));
      }
    }
  });
});

describe('proofs in bytes', () => {
  it('are 256, A, B, C, real part first, big-endian', () => {
    const bytes = proofToBytes(proof);
    assert.equal(bytes.length, PROOF_BYTES);
    const words = [ax, ay, ...bx, ...by, proof.pi_c[0], proof.pi_c[1]].map((v) =>
      BigInt(v).toString(16).padStart(64, '0'),
    );
    assert.equal(Buffer.from(bytes).toString('hex'), words.join(''));
    assert.deepEqual(proofFromBytes(bytes), proof);
  });

  it('are refused when they are short, long, or no proof', () => {
    const bytes = proofToBytes(proof);
    for (const bad of [
      bytes.subarray(1),
      Buffer.concat([bytes, Buffer.alloc(1)]),
      new Uint8Array(),
      new Uint8Array(256),
    ]) {
      assert.throws(() => proofFromBytes(bad), isRefusal('proof_malformed'));
    }
    for (let i = 0; i < 256; i += 5) {
      const bad = Uint8Array.from(bytes);
      bad[i] = (bad[i] ?? 0) ^ 1;
      assert.throws(() => proofFromBytes(bad), isRefusal('proof_malformed'), `byte ${i}`);
    }
    assert.throws(() => proofToBytes({ ...proof, pi_a: ['x', ay, '1'] }), isRefusal('proof_malformed', /A\.x/));
  });
});

describe('public signals', () => {
  it('are read back, in JSON and in bytes', () => {
    const signals = ['0', '1', (Fr.modulus - 1n).toString()];
    assert.deepEqual(parsePublicSignals(signals, 3), signals);
    assert.deepEqual(signalsFromBytes(signalsToBytes(signals), 3), signals);
    assert.deepEqual(parsePublicSignals([]), []);
  });

  it('are refused, naming the place, unless canonical and complete', () => {
    const cases: readonly (readonly [unknown, number | undefined, RegExp])[] = [
      [['1'], 2, /are 1, but the key has 2/],
      [['1', '0'], 1, /are 2/],
      [[Fr.modulus.toString()], undefined, /\[0\]/],
      [['1', '0x1'], undefined, /\[1\]/],
      [['01'], undefined, /\[0\]/],
      [['-1'], undefined, /\[0\]/],
      [[1], undefined, /\[0\]/],
      [[null], undefined, /\[0\]/],
      // A hole, as JSON cannot make one but a caller can.
      [new Array(1), undefined, /\[0\]/],
      ['1', undefined, /list/],
      [{ length: 1, 0: '1' }, undefined, /list/],
      [new Array(70_000).fill('1'), undefined, /at most/],
    ];
    for (const [json, count, message] of cases) {
      assert.throws(() => parsePublicSignals(json, count), isRefusal('public_signals_malformed', message));
    }
    assert.throws(() => signalsFromBytes([new Uint8Array(31)]), isRefusal('public_signals_malformed', /31 bytes/));
    assert.throws(() => signalsFromBytes([new Uint8Array(32).fill(255)]), isRefusal('public_signals_malformed'));
  });
});

describe('verification keys in JSON', () => {
  let key: VerificationKey;
  before(async () => {
    key = (await singlePartySetup(chainCircuit(1).r1cs, { threads: 1 })).verificationKey;
  });

  it('are read back, with and without the pairing value', () => {
    assert.deepEqual(parseVerificationKey(JSON.parse(JSON.stringify(key))), key);
    const { vk_alphabeta_12: _, ...without } = key;
    assert.deepEqual(parseVerificationKey(without), without);
  });

  it('are refused, naming the field, for everything else', () => {
    const cases: readonly (readonly [Json, RegExp])[] = [
      [{ protocol: 'fflonk' }, /^protocol/],
      [{ curve: 'bn254' }, /^curve/],
      [{ nPublic: '2' }, /^nPublic/],
      [{ nPublic: 1 }, /^IC .*list of 2/],
      [{ nPublic: -1 }, /^nPublic/],
      [{ nPublic: 1.5 }, /^nPublic/],
      [{ nPublic: 1e9 }, /^nPublic/],
      [{ IC: key.IC.slice(1) }, /^IC/],
      [{ IC: [...key.IC, key.IC[0]] }, /^IC/],
      [{ IC: [key.IC[0], key.IC[1], ['0', '1', '0']] }, /^IC\[2\]\[2\]/],
      [{ IC: 'none' }, /^IC/],
      [{ vk_alpha_1: undefined }, /^vk_alpha_1/],
      [{ vk_alpha_1: ['1', '3', '1'] }, /^vk_alpha_1/],
      [{ vk_beta_2: STRAY }, /^vk_beta_2 .*subgroup/],
      [{ vk_gamma_2: STRAY }, /^vk_gamma_2 .*subgroup/],
      [{ vk_delta_2: STRAY }, /^vk_delta_2 .*subgroup/],
      [
        {
          vk_delta_2: [
            ['0', '0'],
            ['1', '0'],
            ['0', '0'],
          ],
        },
        /^vk_delta_2\[2\]/,
      ],
      [{ vk_alphabeta_12: [] }, /^vk_alphabeta_12/],
      [{ vk_alphabeta_12: 'x' }, /^vk_alphabeta_12/],
      [{ comment: 'mine' }, /^comment/],
    ];
    for (const [change, message] of cases) {
      const json = JSON.parse(JSON.stringify({ ...key, ...change })) as unknown;
      assert.throws(
        () => parseVerificationKey(json),
        isRefusal('vkey_invalid', message),
        JSON.stringify(change).slice(0, 60),
      );
    }
    assert.throws(() => parseVerificationKey(undefined), isRefusal('vkey_invalid'));
  });
});
