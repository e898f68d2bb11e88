/**
 * A proof, from a prepared circuit and a witness: steps over one area of the kernels' memory, so that one thread can do
 * all of it, or several can take parts of the sums.
 *
 * r and s come from the system's generator, with rejection; a test may inject others, and then the proof is, byte for
 * byte, what the formula in BigInt gives. What stands in the area afterwards is as secret as the witness: `wipe` it.
 */
import { invariant, ZkraftError } from '../../../common/index.ts';
import { type Groth16Proof, readInteger, viewOf, type Witness, witnessValue } from '../../formats/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { G1, type G1Point, G2, type G2Point, g1ToJson, g2ToJson } from '../../reference/index.ts';
import { BucketSum, type PlainPoint, type SumTerm } from '../msm/index.ts';
import { computeHScalars } from '../quotient/index.ts';
import type { RandomSource } from '../scalars/index.ts';
import { drawScalar, scaleScalars, systemRandom } from '../scalars/index.ts';
import { wipeMemory } from '../wipe.ts';
import { type PreparedCircuit, WORDS_BYTES } from './circuit.ts';

/** Part of one of the three sums: entries of one of its tables. */
export interface SumPart {
  readonly table: keyof PreparedCircuit['tables'];
  readonly from: number;
  readonly to: number;
}

export type SumName = 'a' | 'b' | 'c';
export const SUM_OF_TABLE: Readonly<Record<keyof PreparedCircuit['tables'], SumName>> = {
  a: 'a',
  b1: 'c',
  b2: 'b',
  c: 'c',
  h: 'c',
};

/** Draws r, then s. */
export type BlindingSource = RandomSource;

/** The witness to its place, and r and s behind it. Throws `wtns_invalid` when it is of another circuit. */
export function placeWitness(
  kernels: Kernels,
  circuit: PreparedCircuit,
  witness: Witness,
  at: number,
  random: BlindingSource = systemRandom,
): void {
  const { wires, proof } = circuit;
  if (witness.wires !== wires) {
    throw new ZkraftError(
      'wtns_invalid',
      `the witness program and the zkey are of two circuits: ${witness.wires} wires and ${wires}`,
      { field: 'wasm' },
    );
  }
  const bytes = new Uint8Array(kernels.memory.buffer);
  const witnessAt = at + proof.witness;
  bytes.set(witness.values, witnessAt);
  const drawn = new Uint8Array(WORDS_BYTES);
  for (const i of [wires, wires + 1]) {
    drawScalar(drawn, random);
    bytes.set(drawn, witnessAt + i * WORDS_BYTES);
  }
  drawn.fill(0);
}

/** r w for the B1 points, with r itself behind for beta. */
export function scaleWitness(kernels: Kernels, { wires, proof }: PreparedCircuit, at: number, workAt: number): void {
  const [witnessAt, scaledAt] = [at + proof.witness, at + proof.scaled];
  const r = witnessAt + wires * WORDS_BYTES;
  scaleScalars(kernels, scaledAt, witnessAt, wires, r, workAt);
  new Uint8Array(kernels.memory.buffer).copyWithin(scaledAt + wires * WORDS_BYTES, r, r + WORDS_BYTES);
}

export function computeQuotient(kernels: Kernels, circuit: PreparedCircuit, at: number, workAt: number): void {
  const { proof, quotient } = circuit;
  computeHScalars(kernels, quotient, at + proof.witness, at + proof.quotient, workAt);
}

/** The sum over the parts, all of the same sum; null is infinity. `workAt`: the proof's work area, or one as large. */
export function sumParts(
  kernels: Kernels,
  circuit: PreparedCircuit,
  parts: readonly SumPart[],
  at: number,
  workAt: number,
): PlainPoint | null {
  const [first] = parts;
  if (first === undefined) return null;
  const { publics, proof, shapes, tables } = circuit;
  const name = SUM_OF_TABLE[first.table];
  invariant(
    parts.every(({ table }) => SUM_OF_TABLE[table] === name),
    'parts of one sum',
  );
  const scalarsOf = {
    a: at + proof.witness,
    b2: at + proof.witness,
    b1: at + proof.scaled,
    c: at + proof.witness + (publics + 1) * WORDS_BYTES,
    h: at + proof.quotient,
  };
  const terms = parts.map(
    ({ table, from, to }): SumTerm => ({ table: tables[table], scalarsAt: scalarsOf[table], from, to }),
  );
  const points = terms.reduce((count, { from, to }) => count + to - from, 0);
  const sum = new BucketSum(kernels, shapes[name], points, workAt);
  sum.add(terms);
  return sum.total();
}

const whole = (circuit: PreparedCircuit, table: SumPart['table']): SumPart => ({
  table,
  from: 0,
  to: circuit.tables[table].points,
});

/** All parts of a sum. */
export function partsOf(circuit: PreparedCircuit, name: SumName): SumPart[] {
  return (['a', 'b1', 'b2', 'c', 'h'] as const)
    .filter((table) => SUM_OF_TABLE[table] === name)
    .map((table) => whole(circuit, table));
}

export interface Sums {
  readonly a: readonly (PlainPoint | null)[];
  readonly b: readonly (PlainPoint | null)[];
  readonly c: readonly (PlainPoint | null)[];
}

const g1Of = (point: PlainPoint | null): G1Point =>
  point === null ? null : { x: point.x[0] as bigint, y: point.y[0] as bigint };
const g2Of = (point: PlainPoint | null): G2Point =>
  point === null
    ? null
    : {
        x: { c0: point.x[0] as bigint, c1: point.x[1] as bigint },
        y: { c0: point.y[0] as bigint, c1: point.y[1] as bigint },
      };

/** A scalar below r times a point. */
export type MultiplyPoint = (point: G1Point, scalar: bigint) => G1Point;

/** The proof from its sums, in parts; and s times A, the one product by a point that no table knows. */
export function assembleProof(
  kernels: Kernels,
  circuit: PreparedCircuit,
  sums: Sums,
  at: number,
  multiply: MultiplyPoint = G1.multiply,
): Groth16Proof {
  const { wires, points, proof } = circuit;
  const alpha: G1Point = { x: BigInt(points.alpha1[0]), y: BigInt(points.alpha1[1]) };
  const [x, y] = points.beta2;
  const beta: G2Point = {
    x: { c0: BigInt(x[0]), c1: BigInt(x[1]) },
    y: { c0: BigInt(y[0]), c1: BigInt(y[1]) },
  };
  const a = sums.a.reduce<G1Point>((sum, point) => G1.add(sum, g1Of(point)), alpha);
  const b = sums.b.reduce<G2Point>((sum, point) => G2.add(sum, g2Of(point)), beta);
  const s = readScalar(kernels, at + proof.witness + (wires + 1) * WORDS_BYTES);
  const c = sums.c.reduce<G1Point>((sum, point) => G1.add(sum, g1Of(point)), multiply(a, s));
  if (a === null || b === null || c === null) {
    // Of random r and s once in 2^250; of a hostile key more often.
    throw new ZkraftError('self_check_failed', 'the proof has a point at infinity; try again, or check the zkey');
  }
  return { pi_a: g1ToJson(a), pi_b: g2ToJson(b), pi_c: g1ToJson(c), protocol: 'groth16', curve: 'bn128' };
}

function readScalar(kernels: Kernels, at: number): bigint {
  return readInteger(viewOf(new Uint8Array(kernels.memory.buffer, at, WORDS_BYTES)), 0);
}

export function publicSignalsOf(circuit: Pick<PreparedCircuit, 'publics'>, witness: Witness): string[] {
  return Array.from({ length: circuit.publics }, (_, i) => witnessValue(witness, i + 1).toString());
}

/** What a test injects, and what a thread has better means for. */
export interface ProvingMeans {
  readonly random?: BlindingSource | undefined;
  readonly multiply?: MultiplyPoint | undefined;
}

/** All of it in one thread. */
export function proveGroth16(
  kernels: Kernels,
  circuit: PreparedCircuit,
  witness: Witness,
  at: number,
  { random, multiply }: ProvingMeans = {},
): Groth16Proof {
  const workAt = at + circuit.proof.work;
  try {
    placeWitness(kernels, circuit, witness, at, random);
    computeQuotient(kernels, circuit, at, workAt);
    scaleWitness(kernels, circuit, at, workAt);
    const sum = (name: SumName) => [sumParts(kernels, circuit, partsOf(circuit, name), at, workAt)];
    return assembleProof(kernels, circuit, { a: sum('a'), b: sum('b'), c: sum('c') }, at, multiply);
  } finally {
    wipe(kernels, circuit, at);
  }
}

/** Nothing of the witness is left in the area. */
export function wipe(kernels: Kernels, { proof }: PreparedCircuit, at: number): void {
  wipeMemory(kernels.memory, at, proof.bytes);
}
