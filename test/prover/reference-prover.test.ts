import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseWtns, parseZkey, writeWtns } from '../../src/prover/formats/index.ts';
import {
  Fr,
  G1,
  type G1Point,
  G2,
  type G2Point,
  inverseNttReference,
  lagrangeAt,
  msmReference,
  nttByDefinition,
  nttReference,
  proveGroth16Reference,
  quotientScalars,
  rootOfUnity,
  toOddPointsReference,
  verifyGroth16Reference,
} from '../../src/prover/reference/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { ceremonyCase, chainCase, merkleCase, type ProofCase, secretCase } from '../support/proof-cases.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { snarkjsProveWith } from '../support/snarkjs-blinding.ts';
import { closeSnarkjs, snarkjsVerify } from '../support/snarkjs-oracle.ts';

const random = new SeededRandom(11);
const scalar = () => random.bigintBelow(Fr.modulus);
const scalars = (count: number) => Array.from({ length: count }, scalar);

// Loading circomlibjs makes snarkjs forget its curve, whose threads would then hold the process: so it comes first.
before(poseidon2);
after(closeSnarkjs);

describe('transforms', () => {
  it('by radix 2 are those of the definition, for random, zero and greatest values', () => {
    for (const size of [1, 2, 4, 8, 32, 128]) {
      const edge = Array.from({ length: size }, (_, i) => (i % 3 === 0 ? Fr.modulus - 1n : 0n));
      for (const values of [scalars(size), edge]) {
        assert.deepEqual(nttReference(values), nttByDefinition(values), `size ${size}`);
        assert.deepEqual(inverseNttReference(nttReference(values)), values, `size ${size}, back`);
      }
    }
  });

  it('evaluate the polynomial at the powers of the root', () => {
    // 5 + 7 x^3 at w^2
    const w = rootOfUnity(8);
    const values = nttReference([5n, 0n, 0n, 7n, 0n, 0n, 0n, 0n]);
    assert.equal(values[2], Fr.add(5n, Fr.mul(7n, Fr.pow(w, 6n))));
  });

  it('to the odd points give what Lagrange gives there', () => {
    const values = scalars(8);
    const shift = rootOfUnity(16);
    toOddPointsReference(values).forEach((value, i) => {
      const basis = lagrangeAt(8, Fr.pow(shift, BigInt(2 * i + 1)));
      const expected = basis.reduce((sum, l, j) => Fr.add(sum, Fr.mul(l, values[j] as bigint)), 0n);
      assert.equal(value, expected, `point ${2 * i + 1}`);
    });
  });

  it('refuse sizes without roots of unity', () => {
    for (const wrong of [0, 3, 12]) assert.throws(() => nttReference(scalars(wrong)), RangeError);
  });
});

describe('sums of products', () => {
  it('are those of one product after another, in both groups', () => {
    const special = [0n, 1n, Fr.modulus - 1n, 2n, 255n, 256n, 1n << 253n];
    const ks = [...special, ...scalars(6), 0n, 3n, 3n, 5n, Fr.modulus - 5n];
    const p1: G1Point[] = ks.map((_, i) => (i === 3 ? null : G1.multiply(G1.generator, BigInt(i + 1))));
    const p2: G2Point[] = ks.map((_, i) => (i === 3 ? null : G2.multiply(G2.generator, BigInt(i + 1))));
    // equal points with equal scalars, and a pair that cancels out
    for (const list of [p1, p2] as unknown[][]) {
      list[ks.length - 3] = list[ks.length - 4];
      list[ks.length - 1] = list[ks.length - 2];
    }
    assert.ok(G1.equals(msmReference(G1, p1, ks), G1.multiplySum(p1, ks)));
    assert.ok(G2.equals(msmReference(G2, p2, ks), G2.multiplySum(p2, ks)));
    assert.equal(msmReference(G1, [], []), null);
    assert.equal(msmReference(G1, [p1[0] as G1Point, p1[0] as G1Point], [7n, Fr.modulus - 7n]), null);
  });

  it('refuse what is no scalar, and lists of unequal length', () => {
    assert.throws(() => msmReference(G1, [G1.generator], [Fr.modulus]), RangeError);
    assert.throws(() => msmReference(G1, [G1.generator], [-1n]), RangeError);
    assert.throws(() => msmReference(G1, [G1.generator], []), RangeError);
  });
});

describe('proving by the formula', () => {
  let cases: readonly ProofCase[];
  before(async () => {
    cases = [
      await ceremonyCase(),
      await merkleCase(),
      await chainCase(20, 7n),
      await chainCase(4, Fr.modulus - 1n),
      await secretCase(),
    ];
  });

  const prove = ({ zkey, wtns }: ProofCase, r: bigint, s: bigint) =>
    proveGroth16Reference(parseZkey(zkey), parseWtns(wtns), { r, s });

  it("gives snarkjs's proof byte for byte, for the same r and s", async () => {
    for (const each of cases) {
      for (const [r, s] of [
        [scalar(), scalar()],
        [0n, 1n],
        [Fr.modulus - 1n, 0n],
      ] as const) {
        const expected = await snarkjsProveWith(each.zkey, each.wtns, { r, s });
        const { proof, publicSignals } = prove(each, r, s);
        assert.equal(JSON.stringify(proof), JSON.stringify(expected.proof), each.name);
        assert.deepEqual(publicSignals, expected.publicSignals, each.name);
      }
    }
  });

  it('gives proofs that verify, by snarkjs and by the reference', async () => {
    for (const each of cases) {
      const { proof, publicSignals } = prove(each, scalar(), scalar());
      assert.equal(verifyGroth16Reference(each.verificationKey, proof, publicSignals), true, each.name);
      assert.equal(await snarkjsVerify(each.verificationKey, publicSignals, proof), true, each.name);
    }
  });

  it('gives another proof for other r and s, of the same statement', () => {
    const [one] = cases as [ProofCase];
    assert.notDeepEqual(prove(one, 1n, 2n).proof, prove(one, 2n, 1n).proof);
    assert.deepEqual(prove(one, 1n, 2n).publicSignals, prove(one, 2n, 1n).publicSignals);
  });

  it('gives no valid proof from a false witness, and no error', async () => {
    const circuit = chainCircuit(20);
    const witness = circuit.witness(7n, 12345n);
    witness[9] = Fr.add(witness[9] ?? 0n, 1n);
    const { zkey, verificationKey } = cases[2] as ProofCase;
    const blinding = { r: scalar(), s: scalar() };
    const { proof, publicSignals } = proveGroth16Reference(parseZkey(zkey), parseWtns(writeWtns(witness)), blinding);
    assert.equal(verifyGroth16Reference(verificationKey, proof, publicSignals), false);
    const expected = await snarkjsProveWith(zkey, writeWtns(witness), blinding);
    assert.equal(JSON.stringify(proof), JSON.stringify(expected.proof));
  });

  it('hands the H points zeros when all wires are zero, and only then', () => {
    const zkey = parseZkey((cases[2] as ProofCase).zkey);
    const nothing = new Array<bigint>(zkey.header.wires).fill(0n);
    assert.ok(quotientScalars(zkey, nothing).every((value) => value === 0n));
    const witness = chainCircuit(20).witness(7n, 12345n);
    assert.ok(quotientScalars(zkey, witness).some((value) => value !== 0n));
  });

  it('refuses the witness of another circuit, and blinding that is not below r', () => {
    const [ceremony, , chain] = cases as [ProofCase, ProofCase, ProofCase];
    assert.throws(
      () => prove({ ...ceremony, wtns: chain.wtns }, 1n, 1n),
      isRefusal('wtns_invalid', /25 wires, the proving key 14/),
    );
    assert.throws(() => prove(ceremony, Fr.modulus, 1n), RangeError);
    assert.throws(() => prove(ceremony, 1n, -1n), RangeError);
  });
});
