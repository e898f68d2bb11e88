/**
 * What transforms over a domain of N = 2^k points need to know beforehand: shape, twiddles, scales. Read-only once
 * written, plain data, shared by all threads.
 *
 * Shape. N = C M: element i = r M + j stands in row r, column j. A row fits a core's cache (M at most ROW_MAX), so that
 * tables are bounded whatever the domain. Within a row, pack p holds the elements p + l M / L in its lanes l < L, so
 * that all but the widest log2(L) stages are lane by lane. Domains of fewer than L^2 points use lane 0 alone.
 *
 * With w_n the root of unity of order n, and the odd points of the doubled domain being g w_N^i, g = w_2N:
 *   inverse   W_h[j] = w_2h^-j                for a stage that joins elements h apart, in frequency
 *   coset     V_h[j] = w_4h^(1 + 2 j)         the same in time, for the coset: powers of g are in the twiddles already,
 *                                             and do not depend on N, as g^(N / 2 h) = w_4h
 *   rows      U_h[r] = w_2h^r                 between whole rows, in time (in frequency: W_h)
 * and between the stages on rows and those within (the four-step transform of Gentleman and Sande, with Bailey's
 * order), the row of coefficients whose index is k modulo C is scaled by w_N^(-j k), or by (g w_N^j)^k on the way back.
 *
 * A twiddle is stored as five rows of five limbs, w 2^(51 (i + 1)): see `mulByRows` of the kernels' arithmetic.
 */
import { type Kernels, TWIDDLE_BYTES } from '../../kernels/index.ts';
import { Fr, rootOfUnity } from '../../reference/index.ts';
import { AddressCounter, type PackShape, writePack, writePlainPack } from './kernel-memory.ts';

/** 8,192 elements are 320 KiB, and tables for them 3.3 MB. */
export const ROW_MAX = 8192;

const TWIDDLE_ROWS = 5;
const TWIDDLE_ROW_BYTES = 40;
const TWIDDLE_DIGIT = 1n << 51n;

export interface Domain {
  readonly size: number;
  /** Lanes in use: all, or 1 for the smallest domains. */
  readonly lanes: number;
  /** C and M. */
  readonly rows: number;
  readonly rowSize: number;
  readonly rowPacks: number;
  readonly packBytes: number;
  /** Tables of twiddles: those of h at + TWIDDLE_BYTES (h - 1). */
  readonly inverse: number;
  readonly coset: number;
  readonly betweenRows: number;
  /** For each row two packs, first factor and progression; in the order in which rows stand. */
  readonly inverseScales: number;
  readonly cosetScales: number;
}

export interface DomainOptions {
  /** Default ROW_MAX; a power of two. */
  readonly rowMax?: number;
}

/** Where things will stand from `at` on, and how many bytes they take. */
export function layOutDomain(
  shape: PackShape,
  size: number,
  at: number,
  options: DomainOptions = {},
): { readonly domain: Domain; readonly bytes: number } {
  const bits = Math.log2(size);
  if (!Number.isInteger(bits) || bits < 1) throw new RangeError(`a domain of ${size} is no power of two from 2 on`);
  const rowSize = Math.min(size, options.rowMax ?? ROW_MAX);
  const lanes = rowSize >= shape.lanes ** 2 ? shape.lanes : 1;
  const rows = size / rowSize;
  const addresses = new AddressCounter(at);
  const scales = rows > 1 ? 2 * rows * shape.packBytes : 0;
  const domain: Domain = {
    size,
    lanes,
    rows,
    rowSize,
    rowPacks: rowSize / lanes,
    packBytes: shape.packBytes,
    // Stages on rows find theirs in the same table.
    inverse: addresses.take((Math.max(rowSize, rows) - 1) * TWIDDLE_BYTES),
    coset: addresses.take((rowSize - 1) * TWIDDLE_BYTES),
    betweenRows: addresses.take((rows - 1) * TWIDDLE_BYTES),
    inverseScales: addresses.take(scales),
    cosetScales: addresses.take(scales),
  };
  return { domain, bytes: addresses.end - at };
}

/** Packs that `writeDomain` works in. */
export const DOMAIN_WORK_PACKS = TWIDDLE_ROWS + 3;

export function writeDomain(kernels: Kernels, domain: Domain, work: number): void {
  const { size, rows, rowSize, rowPacks, packBytes } = domain;
  const words = work + (DOMAIN_WORK_PACKS - 1) * packBytes;
  for (let i = 0; i < TWIDDLE_ROWS; i++) {
    writePlainPack(kernels, work + i * packBytes, [TWIDDLE_DIGIT ** BigInt(i + 1)], words);
  }
  const table = (at: number, largest: number, start: (h: number) => bigint, ratio: (h: number) => bigint): void => {
    for (let h = 1; h <= largest; h *= 2) {
      writeTwiddles(kernels, at + TWIDDLE_BYTES * (h - 1), start(h), ratio(h), h, work);
    }
  };
  const one = (): bigint => 1n;
  table(domain.inverse, Math.max(rowSize, rows) / 2, one, (h) => Fr.inverse(rootOfUnity(2 * h)));
  table(
    domain.coset,
    rowSize / 2,
    (h) => rootOfUnity(4 * h),
    (h) => rootOfUnity(2 * h),
  );
  table(domain.betweenRows, rows / 2, one, (h) => rootOfUnity(2 * h));

  if (rows === 1) return;
  const shift = rootOfUnity(2 * size);
  const root = rootOfUnity(size);
  const inverseRoot = Fr.inverse(root);
  const bits = Math.log2(rows);
  for (let row = 0; row < rows; row++) {
    const k = BigInt(reversedBits(row, bits));
    for (const [at, first, ratio] of [
      [domain.inverseScales, 1n, Fr.pow(inverseRoot, k)],
      [domain.cosetScales, Fr.pow(shift, k), Fr.pow(root, k)],
    ] as const) {
      const starts = Array.from({ length: domain.lanes }, (_, lane) =>
        Fr.mul(first, Fr.pow(ratio, BigInt(lane * rowPacks))),
      );
      writePack(kernels, at + 2 * row * packBytes, starts, words);
      writePack(kernels, at + (2 * row + 1) * packBytes, [ratio], words);
    }
  }
}

export function reversedBits(value: number, bits: number): number {
  let reversed = 0;
  for (let bit = 0; bit < bits; bit++) reversed = 2 * reversed + ((value >>> bit) & 1);
  return reversed;
}

/** Twiddles start ratio^j, j < count. In `work`: the rows' plain factors, a progression, its ratio, words. */
function writeTwiddles(kernels: Kernels, at: number, start: bigint, ratio: bigint, count: number, work: number): void {
  const { exports: kernel, packBytes, lanes } = kernels;
  const [value, step, words] = [5, 6, 7].map((i) => work + i * packBytes) as [number, number, number];
  // Fewer twiddles than lanes: all lanes write the same one.
  const run = count >= lanes ? count / lanes : count;
  const stride = count >= lanes ? run * TWIDDLE_BYTES : 0;
  const starts =
    stride === 0 ? [start] : Array.from({ length: lanes }, (_, l) => Fr.mul(start, Fr.pow(ratio, BigInt(l * run))));
  writePack(kernels, value, starts, words);
  writePack(kernels, step, [ratio], words);
  for (let j = 0; j < run; j++) {
    for (let i = 0; i < TWIDDLE_ROWS; i++) {
      kernel.fr_ntt_row(at + j * TWIDDLE_BYTES + i * TWIDDLE_ROW_BYTES, stride, value, work + i * packBytes);
    }
    kernel.fr_mul(value, value, step);
  }
}

/** Where element i stands: its pack's address and lane within an array at 0. */
export function placeOf(
  { rowSize, rowPacks, packBytes }: Pick<Domain, 'rowSize' | 'rowPacks' | 'packBytes'>,
  i: number,
): number {
  const column = i % rowSize;
  const pack = ((i - column) / rowSize) * rowPacks + (column % rowPacks);
  return pack * packBytes + 8 * Math.floor(column / rowPacks);
}

export const arrayBytes = (domain: Domain): number => domain.rows * domain.rowPacks * domain.packBytes;
