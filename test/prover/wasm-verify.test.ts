import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { writeWtns } from '../../src/prover/formats/index.ts';
import { Fq, Fr, G1, G2, g1ToJson, g2ToJson } from '../../src/prover/reference/index.ts';
import { singlePartySetup } from '../../src/prover/setup/index.ts';
import { weightModuloR } from '../../src/prover/wasm/verify/batch.ts';
import { CUBE_ROOT, ENDOMORPHISM_SCALAR } from '../../src/prover/wasm/verify/prepared-key.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import {
  type Claim,
  MUTATIONS,
  pointG1,
  pointG2,
  pointOfOrder,
  referenceAnswer,
  rerandomised,
} from '../support/mutated-proofs.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { simulatedKey } from '../support/simulated-proofs.ts';
import { closeSnarkjs, snarkjsProve, snarkjsVerify } from '../support/snarkjs-oracle.ts';
import { type VerificationBench, verificationBench } from '../support/verification-bench.ts';

const random = new SeededRandom(42);
const signals = (count: number) => Array.from({ length: count }, () => random.bigintBelow(Fr.modulus));
after(closeSnarkjs);

describe('a proof of snarkjs', () => {
  it('is accepted, and so is what anyone can make of it', async () => {
    const circuit = chainCircuit(5);
    const { zkey, verificationKey } = await singlePartySetup(circuit.r1cs, { threads: 1 });
    const claim = await snarkjsProve(zkey, writeWtns(circuit.witness(11n, 3n)));
    const bench = await verificationBench(verificationKey);
    assert.ok(bench.verify(claim));
    for (let i = 0; i < 30; i++) {
      const other = rerandomised(claim, verificationKey.vk_delta_2, random);
      assert.ok(bench.verify(other));
      if (i === 0) assert.ok(await snarkjsVerify(verificationKey, other.publicSignals, other.proof));
    }
    const [ax, ay] = claim.proof.pi_a;
    const negative = G2.neg(pointG2(claim.proof.pi_b));
    assert.ok(negative);
    const bothNegated = {
      proof: { ...claim.proof, pi_a: [ax, (Fq.modulus - BigInt(ay)).toString(), '1'], pi_b: g2ToJson(negative) },
      publicSignals: claim.publicSignals,
    };
    assert.ok(bench.verify(bothNegated));
    assert.ok(!bench.verify({ ...claim, publicSignals: ['1', ...claim.publicSignals.slice(1)] }));
  });
});

describe('verification', () => {
  const simulated = simulatedKey(random, 2);
  const claims: Claim[] = Array.from({ length: 270 }, () => simulated.prove(random, signals(2)));
  const claimAt = (i: number): Claim => claims[i % claims.length] as Claim;
  let bench: VerificationBench;
  before(async () => {
    bench = await verificationBench(simulated.key);
  });

  it('accepts valid proofs', async () => {
    for (const claim of claims) assert.ok(bench.verify(claim));
    for (const claim of claims.slice(0, 4)) {
      assert.ok(await snarkjsVerify(simulated.key, claim.publicSignals, claim.proof));
      assert.equal(referenceAnswer(simulated.key, claim), true);
    }
  });

  it('refuses each kind of damage as the reference does', () => {
    Object.entries(MUTATIONS).forEach(([name, mutate], i) => {
      const claim = mutate(claimAt(i), random, claimAt(i + 1)) as Claim;
      assert.equal(bench.answer(claim), referenceAnswer(simulated.key, claim), name);
    });
  });

  it('never accepts 1,500 damaged claims', () => {
    const mutations = Object.entries(MUTATIONS);
    for (let i = 0; i < 1500; i++) {
      const [name, mutate] = mutations[i % mutations.length] as (typeof mutations)[number];
      const at = random.below(270);
      const claim = mutate(claimAt(at), random, claimAt(at + 1)) as Claim;
      assert.notEqual(bench.answer(claim), true, name);
    }
  });

  it('accepts nothing of a sample that snarkjs refuses', async () => {
    for (const name of [
      'a bit of a signal',
      'A negated',
      'C of another',
      'A and C exchanged',
      'signals that are zero',
    ]) {
      const claim = MUTATIONS[name]?.(claimAt(1), random, claimAt(2)) as Claim;
      assert.equal(await snarkjsVerify(simulated.key, claim.publicSignals, claim.proof), false, name);
      assert.equal(bench.answer(claim), false, name);
    }
  });

  it('says which field is wrong', () => {
    const claim = claimAt(0);
    const off = ['1', '1', '1'];
    for (const field of ['pi_a', 'pi_c']) {
      const wrong = { ...claim, proof: { ...claim.proof, [field]: off } };
      assert.throws(() => bench.verify(wrong), isRefusal('proof_malformed', new RegExp(`^${field} is not a point`)));
    }
    const stray = { ...claim, proof: { ...claim.proof, pi_b: g2ToJson(pointOfOrder(10069n)) } };
    assert.throws(() => bench.verify(stray), isRefusal('proof_malformed', /^pi_b .*outside the subgroup/));
    assert.throws(() => bench.verify({ ...claim, publicSignals: ['1'] }), isRefusal('public_signals_malformed'));
  });

  for (const count of [0, 1, 3, 70]) {
    it(`takes keys of ${count} public signals, zeros and r - 1 among them`, async () => {
      const { key, prove } = simulatedKey(random, count);
      const other = await verificationBench(key);
      const edges = [0n, 1n, 2n, Fr.modulus - 1n, Fr.modulus - 2n];
      const lists = [signals(count), signals(count).map(() => 0n), ...edges.map((e) => signals(count).map(() => e))];
      const claimsHere = lists.map((list) => prove(random, list));
      for (const claim of claimsHere) assert.ok(other.verify(claim));
      assert.deepEqual(other.batch(claimsHere), []);
      assert.equal(referenceAnswer(key, claimsHere[0] as Claim), true);
      if (count === 0) return;
      const first = claimsHere[0] as Claim;
      for (let i = 0; i < count; i += 23) {
        assert.ok(!other.verify({ ...first, publicSignals: first.publicSignals.map((s, j) => (i === j ? '7' : s)) }));
      }
    });
  }

  it('is right where the sum of the inputs meets the exceptions of the formulas', async () => {
    const peculiar: readonly (readonly [readonly bigint[], readonly (readonly bigint[])[]])[] = [
      [
        [5n, Fr.modulus - 5n],
        [[1n], [2n], [0n]],
      ],
      [
        [5n, 5n, 5n],
        [
          [9n, 9n],
          [9n, Fr.modulus - 9n],
          [Fr.modulus - 1n, 0n],
          [3n, 3n],
        ],
      ],
    ];
    for (const [inputs, lists] of peculiar) {
      const { key, prove } = simulatedKey(random, inputs.length - 1, inputs);
      const other = await verificationBench(key);
      const all = lists.map((list) => prove(random, list));
      all.forEach((claim) => {
        assert.equal(referenceAnswer(key, claim), true);
        assert.ok(other.verify(claim));
      });
      assert.deepEqual(other.batch(all), []);
      const mixed = { proof: (all[0] as Claim).proof, publicSignals: (all[1] as Claim).publicSignals };
      assert.ok(!other.verify(mixed));
    }
  });

  it('refuses a key that is not one', async () => {
    await assert.rejects(
      verificationBench({ ...simulated.key, IC: simulated.key.IC.slice(1) }),
      isRefusal('vkey_invalid'),
    );
    await assert.rejects(
      verificationBench({ ...simulated.key, vk_gamma_2: g2ToJson(pointOfOrder(10069n)) }),
      isRefusal('vkey_invalid'),
    );
  });

  describe('of batches', () => {
    const indices = (items: readonly Claim[]) => bench.batch(items).map(({ index }) => index);
    const swapC = (items: readonly Claim[], at: readonly number[]): Claim[] =>
      items.map((item, i) =>
        at.includes(i) ? (MUTATIONS['C of another']?.(item, random, claimAt(269)) as Claim) : item,
      );

    it('accepts what holds, whatever its size', () => {
      for (const size of [0, 1, 2, 3, 17, 64]) assert.deepEqual(bench.batch(claims.slice(0, size)), []);
      assert.deepEqual(bench.batch(new Array<Claim>(5).fill(claimAt(0))), [], 'five times the same');
    });

    it('names one, two or all that do not hold', () => {
      const sizes = [1, 2, 3, 8, 21];
      for (const size of sizes) {
        const items = claims.slice(0, size);
        for (const at of [[0], [size - 1], [Math.floor(size / 2)], [0, size - 1], [...items.keys()]]) {
          assert.deepEqual(
            indices(swapC(items, at)),
            [...new Set(at)].sort((a, b) => a - b),
          );
        }
      }
    });

    it('names the malformed with their error, and judges the others', () => {
      const items = [...claims.slice(0, 8)];
      const damage = (at: number, name: string) => {
        items[at] = MUTATIONS[name]?.(claimAt(at), random, claimAt(9)) as Claim;
      };
      damage(0, 'B plus a point of small order');
      damage(2, 'no proof');
      damage(3, 'C of another');
      damage(5, 'a signal beyond r');
      damage(6, 'a bit of A');
      assert.deepEqual(
        bench.batch(items).map(({ index, error }) => [index, error?.code]),
        [
          [0, 'proof_malformed'],
          [2, 'proof_malformed'],
          [3, undefined],
          [5, 'public_signals_malformed'],
          [6, 'proof_malformed'],
        ],
      );
    });

    it('sees two errors that would cancel in a plain product', () => {
      const shift = G1.multiply(G1.generator, 77n);
      const moved = (claim: Claim, by: typeof shift): Claim => {
        const c = G1.add(pointG1(claim.proof.pi_c), by);
        assert.ok(c);
        return { ...claim, proof: { ...claim.proof, pi_c: g1ToJson(c) } };
      };
      const items = [moved(claimAt(0), shift), claimAt(1), moved(claimAt(2), G1.neg(shift))];
      assert.deepEqual(indices(items), [0, 2]);
    });

    it('draws weights that are not zero, after the batch is read, for each member that can be judged', () => {
      const drawn: number[] = [];
      const zeros = (count: number) => new Uint8Array(count);
      assert.throws(() => bench.batch(claims.slice(0, 2), zeros), isRefusal('internal', /random/));
      const counting = (count: number) => {
        drawn.push(count);
        return random.bytes(count);
      };
      bench.batch([...claims.slice(0, 3), MUTATIONS['no proof']?.(claimAt(0), random, claimAt(1)) as Claim], counting);
      assert.deepEqual(drawn, [16, 16, 16]);
    });

    it('weighs by an endomorphism that is what it claims to be, with weights that all differ', () => {
      const p = G1.multiply(G1.generator, 12345n);
      assert.ok(p);
      assert.deepEqual(G1.multiply(p, ENDOMORPHISM_SCALAR), { x: Fq.mul(CUBE_ROOT, p.x), y: p.y });
      const omega = ENDOMORPHISM_SCALAR;
      const digit = [0n, 1n, omega, Fr.mul(omega, omega)];
      for (let i = 0; i < 20; i++) {
        const [high, low] = [random.u64(), random.u64()];
        let plain = 0n;
        for (let j = 63n; j >= 0n; j--) {
          plain = Fr.create(2n * plain + (digit[Number(2n * ((high >> j) & 1n) + ((low >> j) & 1n))] as bigint));
        }
        assert.equal(weightModuloR({ high, low }), plain);
      }
      const small = new Set<bigint>();
      for (let high = 0n; high < 16n; high++)
        for (let low = 0n; low < 16n; low++) small.add(weightModuloR({ high, low }));
      assert.equal(small.size, 256);
    });
  });
});
