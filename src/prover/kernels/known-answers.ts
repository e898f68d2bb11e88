/**
 * Whether an instance computes right: products, sums, inverses and point additions against BigInt, on edges and on
 * values that a fixed sequence gives. A tier that fails here is not used; a few milliseconds.
 */
import { Q, R } from '../../common/core.ts';
import { Fq, Fr, G1, type PrimeField } from '../reference/core.ts';
import type { Kernels } from './kernels.ts';
import { POINT_SCRATCH_PACKS, RESERVED_BYTES } from './layout-constants.ts';

const ROUNDS = 24;

/** A sequence that is the same everywhere: the state times an odd constant, modulo 2^256. */
function* sequence(modulus: bigint): Generator<bigint, never> {
  const edges = [
    0n,
    1n,
    modulus - 1n,
    2n,
    (modulus - 1n) / 2n,
    (1n << 51n) - 1n,
    1n << 50n,
    1n << 253n,
    (1n << 232n) - 1n,
  ];
  yield* edges;
  for (let state = 0x9e3779b97f4a7c15n; ; ) {
    state = (state * 0xd1342543de82ef95n + 0x2545f4914f6cdd1dn) & ((1n << 256n) - 1n);
    state ^= state >> 97n;
    yield state % modulus;
  }
}

/** What is wrong, or undefined. Uses the first pages above the constants, which must be nobody else's. */
export function findWrongAnswer(kernels: Kernels): string | undefined {
  return (
    wrongField(kernels, 'fq', Fq, Q) ??
    wrongField(kernels, 'fr', Fr, R) ??
    wrongQuadratic(kernels) ??
    wrongAddition(kernels)
  );
}

/** Bytes above RESERVED_BYTES that `findWrongAnswer` writes to. */
export const KNOWN_ANSWER_BYTES = 65_536;

function wrongField(kernels: Kernels, name: 'fq' | 'fr', F: PrimeField, modulus: bigint): string | undefined {
  const { lanes, packBytes, exports } = kernels;
  const view = new DataView(kernels.memory.buffer);
  const slot = (i: number): number => RESERVED_BYTES + 1024 + i * packBytes;
  const [x, y, z, work] = [slot(0), slot(1), slot(2), slot(4)];
  const values = sequence(modulus);
  const take = (at: number): bigint[] => {
    const taken = Array.from({ length: lanes }, () => values.next().value);
    taken.forEach((value, lane) => {
      writeWords(view, RESERVED_BYTES + 32 * lane, value);
    });
    exports[`${name}_read`](at, RESERVED_BYTES, 32, kernels.element(`${name}_plain`));
    return taken;
  };
  const differs = (expected: readonly bigint[]): boolean => {
    exports[`${name}_write`](RESERVED_BYTES, 32, z);
    return expected.some((value, lane) => readWords(view, RESERVED_BYTES + 32 * lane) !== value);
  };
  for (let round = 0; round < ROUNDS; round++) {
    const a = take(x);
    const b = take(y);
    const pairs = a.map((value, lane) => [value, b[lane] as bigint] as const);
    exports[`${name}_mul`](z, x, y);
    if (differs(pairs.map(([l, r]) => F.mul(l, r)))) return `${name}_mul`;
    exports[`${name}_sqr`](z, x);
    if (differs(a.map((value) => F.mul(value, value)))) return `${name}_sqr`;
    exports[`${name}_add`](z, x, y);
    if (differs(pairs.map(([l, r]) => F.add(l, r)))) return `${name}_add`;
    exports[`${name}_sub`](z, x, y);
    if (differs(pairs.map(([l, r]) => F.sub(l, r)))) return `${name}_sub`;
    if (round > 1) continue;
    exports[`${name}_inverse`](z, x, work);
    if (differs(a.map((value) => (value === 0n ? 0n : F.inverse(value))))) return `${name}_inverse`;
  }
  return undefined;
}

/** (a + b u) (c + d u) = (a c - b d) + (a d + b c) u. */
function wrongQuadratic(kernels: Kernels): string | undefined {
  const { lanes, packBytes, exports } = kernels;
  const view = new DataView(kernels.memory.buffer);
  const [x, y, z] = [0, 1, 2].map((i) => RESERVED_BYTES + 1024 + 2 * i * packBytes) as [number, number, number];
  const values = sequence(Q);
  const take = (at: number): bigint[] => {
    const taken = Array.from({ length: lanes }, () => values.next().value);
    taken.forEach((value, lane) => {
      writeWords(view, RESERVED_BYTES + 32 * lane, value);
    });
    exports.fq_read(at, RESERVED_BYTES, 32, kernels.element('fq_plain'));
    return taken;
  };
  const read = (at: number): bigint[] => {
    exports.fq_write(RESERVED_BYTES, 32, at);
    return Array.from({ length: lanes }, (_, lane) => readWords(view, RESERVED_BYTES + 32 * lane));
  };
  for (let round = 0; round < ROUNDS; round++) {
    const [a, b, c, d] = [take(x), take(x + packBytes), take(y), take(y + packBytes)];
    exports.fq2_mul(z, x, y);
    const [real, imaginary] = [read(z), read(z + packBytes)];
    for (let lane = 0; lane < lanes; lane++) {
      const [al, bl, cl, dl] = [a[lane], b[lane], c[lane], d[lane]] as [bigint, bigint, bigint, bigint];
      if (real[lane] !== Fq.sub(Fq.mul(al, cl), Fq.mul(bl, dl))) return 'fq2_mul';
      if (imaginary[lane] !== Fq.add(Fq.mul(al, dl), Fq.mul(bl, cl))) return 'fq2_mul';
    }
  }
  return undefined;
}

/** G + 2 G, G - 2 G and so on, one pair a lane. */
function wrongAddition(kernels: Kernels): string | undefined {
  const { lanes, cellBytes, packBytes, exports } = kernels;
  const view = new DataView(kernels.memory.buffer);
  const pointBytes = 2 * cellBytes;
  const points = RESERVED_BYTES + 2048;
  const [targets, operands] = [RESERVED_BYTES + 512, RESERVED_BYTES + 640];
  const pack = RESERVED_BYTES + 8192;
  const work = pack + 4 * packBytes;
  if (work + (POINT_SCRATCH_PACKS + 8) * packBytes > RESERVED_BYTES + KNOWN_ANSWER_BYTES) return 'too little room';
  let multiple = G1.generator;
  const placed = Array.from({ length: 2 * lanes }, (_, i) => {
    multiple = G1.add(multiple, G1.generator);
    if (multiple === null) return multiple;
    [multiple.x, multiple.y].forEach((coordinate, c) => {
      for (let lane = 0; lane < lanes; lane++) writeWords(view, RESERVED_BYTES + 32 * lane, coordinate);
      exports.fq_read(pack, RESERVED_BYTES, 32, kernels.element('fq_plain'));
      for (let lane = 0; lane < lanes; lane++) view.setUint32(targets + 4 * lane, (points + i * pointBytes) / 16, true);
      exports.fq_scatter(targets, c * cellBytes, pack);
    });
    return multiple;
  });
  for (let lane = 0; lane < lanes; lane++) {
    view.setUint32(targets + 4 * lane, (points + lane * pointBytes) / 16, true);
    const sign = lane % 2 === 1 ? 0x8000_0000 : 0;
    view.setUint32(operands + 4 * lane, ((points + (lanes + lane) * pointBytes) / 16 + sign) >>> 0, true);
  }
  if (exports.g1_accumulate(targets, operands, lanes, work) !== 0) return 'g1_accumulate';
  for (let lane = 0; lane < lanes; lane++) {
    const [a, b] = [placed[lane] ?? null, placed[lanes + lane] ?? null];
    const expected = G1.add(a, lane % 2 === 1 ? G1.neg(b) : b);
    for (const [c, coordinate] of [expected?.x, expected?.y].entries()) {
      exports.fq_gather(pack, targets, c * cellBytes);
      exports.fq_write(RESERVED_BYTES, 32, pack);
      if (readWords(view, RESERVED_BYTES + 32 * lane) !== coordinate) return 'g1_accumulate';
    }
  }
  return undefined;
}

export function writeWords(view: DataView, at: number, value: bigint): void {
  for (let i = 0; i < 4; i++) view.setBigUint64(at + 8 * i, BigInt.asUintN(64, value >> BigInt(64 * i)), true);
}

export function readWords(view: DataView, at: number): bigint {
  let value = 0n;
  for (let i = 3; i >= 0; i--) value = (value << 64n) | view.getBigUint64(at + 8 * i, true);
  return value;
}
