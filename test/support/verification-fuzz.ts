/**
 * Valid and damaged claims, each judged by the kernels and by snarkjs, and all of them by the kernels again in batches.
 * What must hold: the valid are accepted by both; nothing is accepted that snarkjs refuses; where ours refuses more, the
 * kind of damage is one that the list of stricter refusals names; and a batch names exactly its bad members.
 */
import type { Groth16Proof } from '../../src/prover/formats/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import { type Claim, MUTATIONS, rerandomised } from './mutated-proofs.ts';
import { SeededRandom } from './seeded-random.ts';
import { simulatedKey } from './simulated-proofs.ts';
import { snarkjsVerify } from './snarkjs-oracle.ts';
import { verificationBench } from './verification-bench.ts';

export interface FuzzOptions {
  readonly valid: number;
  readonly mutated: number;
  readonly seed: number;
  readonly onProgress?: (done: number) => void;
}

export interface FuzzReport {
  /** What must not be. */
  readonly wrong: readonly string[];
  /** Mutated claims by what became of them. */
  readonly refusedByBoth: number;
  readonly acceptedByBoth: number;
  /** Of claims that ours refuses and snarkjs accepts, by the name in the list of stricter refusals. */
  readonly stricter: Readonly<Record<string, number>>;
  readonly batches: number;
}

type Mutate = (claim: Claim, random: SeededRandom, other: Claim) => unknown;

/** More ways than `MUTATIONS`; these want three signals, of which the last may be zero. */
const MORE: Readonly<Record<string, Mutate>> = {
  'two signals exchanged': ({ proof, publicSignals: [a, b, c] }) => ({ proof, publicSignals: [b, a, c] }),
  'the last signal left out': ({ proof, publicSignals }) => ({ proof, publicSignals: publicSignals.slice(0, -1) }),
  'ten signals too many': ({ proof, publicSignals }) => ({
    proof,
    publicSignals: [...publicSignals, ...new Array<string>(10).fill('0')],
  }),
  'no signals': ({ proof }) => ({ proof, publicSignals: [] }),
  'a signal negated': ({ proof, publicSignals: [a, ...rest] }) => ({
    proof,
    publicSignals: [(Fr.modulus - BigInt(a as string)).toString(), ...rest],
  }),
};
const ALL: readonly (readonly [string, Mutate])[] = [...Object.entries(MUTATIONS), ...Object.entries(MORE)];

/** Kinds of damage that do not damage in snarkjs's eyes, and the row of the list that refuses them here. */
const LISTED: Readonly<Record<string, string>> = {
  'A.x + q': 'a coordinate plus q',
  'B.y + q': 'a coordinate plus q',
  'C.y + q': 'a coordinate plus q',
  hexadecimal: 'a coordinate in hexadecimal',
  'another protocol': 'a proof of another protocol, or of none',
  'a field too many': 'a field that a proof does not have',
  'a signal that is a number': 'a signal that is no string',
  'the last signal left out': 'zeros left out at the end of the signals',
};

/** Several keys, so that none is peculiar. */
const CLAIMS_PER_KEY = 1_000;
const BATCH = 64;

interface Judged {
  readonly claim: Claim;
  readonly good: boolean;
}

export async function fuzzVerification({ valid, mutated, seed, onProgress }: FuzzOptions): Promise<FuzzReport> {
  const random = new SeededRandom(seed);
  const wrong: string[] = [];
  const stricter: Record<string, number> = {};
  let [refusedByBoth, acceptedByBoth, batches, mutations, done] = [0, 0, 0, 0, 0];
  const keys = Math.ceil((valid + mutated) / CLAIMS_PER_KEY);
  const share = (total: number, i: number): number =>
    Math.floor(((i + 1) * total) / keys) - Math.floor((i * total) / keys);

  for (let k = 0; k < keys; k++) {
    const { key, prove } = simulatedKey(random, 3);
    const bench = await verificationBench(key, BATCH);
    const snarkjs = async ({ proof, publicSignals }: Claim): Promise<boolean> =>
      await snarkjsVerify(key, publicSignals, proof as Groth16Proof).catch(() => false);
    const signals = () => [random, random].map((r) => r.bigintBelow(Fr.modulus - 1n) + 1n);
    const judged: Judged[] = [];

    for (let i = 0; i < share(valid, k); i++) {
      const drawn = i % 2 === 0 ? prove(random, [...signals(), BigInt(random.below(2))]) : undefined;
      const claim = drawn ?? rerandomised((judged.at(-1) as Judged).claim, key.vk_delta_2, random);
      const what = `key ${k}, valid ${i}`;
      const answer = bench.answer(claim);
      if (answer !== true) wrong.push(`${what}: ours says ${answer}: ${JSON.stringify(claim)}`);
      if (!(await snarkjs(claim))) wrong.push(`${what}: snarkjs refuses it: ${JSON.stringify(claim)}`);
      judged.push({ claim, good: true });
      onProgress?.(++done);
    }
    const good = judged.map(({ claim }) => claim);
    const any = (): Claim => good[random.below(good.length)] as Claim;

    for (let i = 0; i < share(mutated, k); i++) {
      const [name, mutate] = ALL[mutations++ % ALL.length] as (typeof ALL)[number];
      const claim = mutate(any(), random, any()) as Claim;
      const ours = bench.answer(claim) === true;
      const theirs = await snarkjs(claim);
      if (ours && !theirs) wrong.push(`key ${k}, ${name}: accepted, and snarkjs refuses it: ${JSON.stringify(claim)}`);
      else if (ours) acceptedByBoth += 1;
      else if (!theirs) refusedByBoth += 1;
      else if (LISTED[name] === undefined) wrong.push(`key ${k}, ${name}: refused, and in no list`);
      else stricter[LISTED[name]] = (stricter[LISTED[name]] ?? 0) + 1;
      judged.push({ claim, good: ours });
      onProgress?.(++done);
    }

    const bad = judged.filter((one) => !one.good);
    const sound = judged.filter((one) => one.good);
    // Every bad one in some batch, in company of none, one, or all the others.
    for (let at = 0; at < bad.length; batches++) {
      const count = [1, 2, BATCH, 1 + random.below(BATCH)][batches % 4] as number;
      const members = bad.slice(at, at + count);
      at += count;
      while (members.length < BATCH) members.splice(random.below(members.length + 1), 0, pick(sound, random));
      const expected = members.flatMap((one, index) => (one.good ? [] : [index]));
      const named = bench.batch(members.map(({ claim }) => claim)).map(({ index }) => index);
      if (named.join() !== expected.join()) wrong.push(`key ${k}, batch ${batches}: ${named} named, not ${expected}`);
    }
  }
  return { wrong, refusedByBoth, acceptedByBoth, stricter, batches };
}

const pick = <T>(list: readonly T[], random: SeededRandom): T => list[random.below(list.length)] as T;
