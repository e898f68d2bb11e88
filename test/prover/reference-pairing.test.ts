import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  BN_X,
  Fq,
  Fq12,
  Fr,
  finalExponentiation,
  G1,
  G2,
  millerLoop,
  pairing,
  pairingProductIsOne,
  pairingValueToJson,
  power,
} from '../../src/prover/reference/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { loadSnarkjs } from '../support/snarkjs-oracle.ts';

const random = new SeededRandom(3);
const scalar = () => random.bigintBelow(Fr.modulus);

describe('the pairing', () => {
  it('is bilinear and not degenerate', () => {
    const e = pairing(G1.generator, G2.generator);
    assert.ok(!Fq12.equals(e, Fq12.one));
    assert.ok(Fq12.equals(power(Fq12, e, Fr.modulus), Fq12.one), 'its values have order r');
    const [a, b] = [scalar(), scalar()];
    const both = pairing(G1.multiply(G1.generator, a), G2.multiply(G2.generator, b));
    assert.ok(Fq12.equals(both, power(Fq12, e, Fr.mul(a, b))));
    const [p, q] = [G1.multiply(G1.generator, a), G1.multiply(G1.generator, b)];
    assert.ok(
      Fq12.equals(pairing(G1.add(p, q), G2.generator), Fq12.mul(pairing(p, G2.generator), pairing(q, G2.generator))),
    );
  });

  it('is one where a point is infinite', () => {
    assert.ok(Fq12.equals(pairing(null, G2.generator), Fq12.one));
    assert.ok(Fq12.equals(pairing(G1.generator, null), Fq12.one));
    assert.ok(pairingProductIsOne([]));
  });

  it('ends in the exponent that its header states, by plain powers as well as by the chain', () => {
    const f = millerLoop(G1.multiply(G1.generator, scalar()), G2.generator);
    const multiple = 2n * BN_X * (6n * BN_X * BN_X + 3n * BN_X + 1n);
    const exponent = ((Fq.modulus ** 12n - 1n) / Fr.modulus) * multiple;
    assert.ok(Fq12.equals(finalExponentiation(f), power(Fq12, f, exponent)));
  });

  it('has the values of snarkjs', async () => {
    const { curves } = await loadSnarkjs();
    const oracle = await curves.getCurveFromName('bn128', { singleThread: true });
    for (const [a, b] of [
      [1n, 1n],
      [scalar(), scalar()],
    ] as const) {
      const theirs = oracle.pairing(
        oracle.G1.toAffine(oracle.G1.timesScalar(oracle.G1.g, a)),
        oracle.G2.toAffine(oracle.G2.timesScalar(oracle.G2.g, b)),
      );
      const ours = pairing(G1.multiply(G1.generator, a), G2.multiply(G2.generator, b));
      const asText = JSON.stringify(oracle.Gt.toObject(theirs), (_, v) => (typeof v === 'bigint' ? v.toString() : v));
      assert.equal(JSON.stringify(pairingValueToJson(ours)), asText);
    }
  });

  it('answers an EIP-197 vector as the precompile does, and not when it is disturbed', () => {
    // Imaginary part first, as the precompile takes it.
    const words = `
      1c76476f4def4bb94541d57ebba1193381ffa7aa76ada664dd31c16024c43f59
      3034dd2920f673e204fee2811c678745fc819b55d3e9d294e45c9b03a76aef41
      209dd15ebff5d46c4bd888e51a93cf99a7329636c63514396b4a452003a35bf7
      04bf11ca01483bfa8b34b43561848d28905960114c8ac04049af4b6315a41678
      2bb8324af6cfc93537a2ad1a445cfd0ca2a71acd7ac41fadbf933c2a51be344d
      120a2a4cf30c1bf9845f20c6fe39e07ea2cce61f0c9bb048165fe5e4de877550
      111e129f1cf1097710d41c4ac70fcdfa5ba2023c6ff1cbeac322de49d1b6df7c
      2032c61a830e3c17286de9462bf242fca2883585b93870a73853face6a6bf411
      198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2
      1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed
      090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b
      12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa`
      .trim()
      .split(/\s+/)
      .map((word) => BigInt(`0x${word}`));
    const at = (i: number) => words[i] as bigint;
    const pairs = [0, 6].map(
      (o) =>
        [
          { x: at(o), y: at(o + 1) },
          { x: { c0: at(o + 3), c1: at(o + 2) }, y: { c0: at(o + 5), c1: at(o + 4) } },
        ] as const,
    );
    assert.ok(pairingProductIsOne(pairs));
    const [first, second] = pairs as [(typeof pairs)[0], (typeof pairs)[0]];
    assert.ok(!pairingProductIsOne([[G1.double(first[0]), first[1]], second]));
    assert.ok(!pairingProductIsOne([first]));
  });
});
