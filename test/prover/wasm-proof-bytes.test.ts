/** A proof for given r and s is the same bytes whoever makes it: the formula in BigInt, or any kernels, in any parts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { parseWtns, parseZkey } from '../../src/prover/formats/index.ts';
import { divide } from '../../src/prover/pool/joint-proof.ts';
import { type Blinding, proveGroth16Reference } from '../../src/prover/reference/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import { type SumPart, TABLE_NAMES } from '../../src/prover/wasm/index.ts';
import { KERNEL_NAMES } from '../support/kernels.ts';
import { ceremonyCase, chainCase, merkleCase, type ProofCase, secretCase } from '../support/proof-cases.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { snarkjsProveWith } from '../support/snarkjs-blinding.ts';
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';
import { ProofBed } from '../support/wasm-proofs.ts';

const random = new SeededRandom(1618);
const scalar = (): bigint => random.bigintBelow(R);

const BLINDINGS: readonly Blinding[] = [
  { r: 0n, s: 0n },
  { r: 0n, s: 1n },
  { r: 1n, s: 0n },
  { r: R - 1n, s: 1n },
  { r: 1n, s: R - 1n },
  { r: R - 1n, s: R - 1n },
  { r: scalar(), s: 0n },
  { r: scalar(), s: scalar() },
  { r: scalar(), s: scalar() },
];

interface Expected {
  readonly of: ProofCase;
  readonly blindings: readonly Blinding[];
  /** The formula's proof for each of them, as JSON. */
  readonly proofs: readonly string[];
}

const json = (proof: unknown): string => JSON.stringify(proof);

let cases: readonly Expected[];

before(async () => {
  // Loading circomlibjs makes snarkjs forget its curve, whose threads would then hold the process: so it comes first.
  await poseidon2();
  const all = [
    await chainCase(20, 7n),
    await chainCase(4, R - 1n),
    await merkleCase(2),
    await ceremonyCase(),
    await secretCase(),
  ];
  cases = all.map((of) => {
    const [zkey, witness] = [parseZkey(of.zkey), parseWtns(of.wtns)];
    // The formula takes its time for more than a hundred wires.
    const blindings = witness.wires < 100 ? BLINDINGS : BLINDINGS.filter((_, i) => i % 4 === 0);
    return { of, blindings, proofs: blindings.map((each) => json(proveGroth16Reference(zkey, witness, each).proof)) };
  });
});
after(closeSnarkjs);

/** Every table cut at random places; each piece by itself, so that a sum has many parts, some of them empty. */
function shreds(bed: ProofBed): SumPart[][] {
  return TABLE_NAMES.flatMap((table) => {
    const { points } = bed.circuit.tables[table];
    const cuts = [0, random.below(points + 1), random.below(points + 1), points].sort((a, b) => a - b);
    return cuts.slice(1).map((to, i) => [{ table, from: cuts[i] as number, to }]);
  });
}

describe("the formula's proof", () => {
  it('is that of snarkjs', async () => {
    for (const { of, blindings, proofs } of cases) {
      for (const i of [0, 1, blindings.length - 1]) {
        const { proof } = await snarkjsProveWith(of.zkey, of.wtns, blindings[i] as Blinding);
        assert.equal(json(proof), proofs[i], of.name);
      }
    }
  });

  it('is another one for other r and s', () => {
    for (const { of, blindings, proofs } of cases) assert.equal(new Set(proofs).size, blindings.length, of.name);
  });
});

for (const name of KERNEL_NAMES) {
  describe(`a proof with ${name} kernels is the formula's, byte for byte`, () => {
    let beds: readonly ProofBed[];
    before(async () => {
      beds = await Promise.all(cases.map(({ of }) => ProofBed.create(name, of.zkey, of.wtns)));
    });

    const compare = (make: (bed: ProofBed, blinding: Blinding) => unknown): void => {
      beds.forEach((bed, c) => {
        const { of, blindings, proofs } = cases[c] as Expected;
        blindings.forEach((blinding, i) => {
          assert.equal(json(make(bed, blinding)), proofs[i], `${of.name}, r and s number ${i}`);
        });
      });
    };

    it('made by one thread', () => {
      compare((bed, blinding) => bed.prove(blinding));
    });

    it('made in the parts that 1, 2, 3 and 16 threads would take', () => {
      for (const threads of [1, 2, 3, 16]) {
        compare((bed, blinding) => {
          const plan = divide(bed.circuit, threads).flat();
          return bed.proveInParts(
            blinding,
            plan.map(({ parts }) => parts),
          );
        });
      }
    });

    it('made of sums cut anywhere', () => {
      compare((bed, blinding) => bed.proveInParts(blinding, shreds(bed)));
    });
  });
}
