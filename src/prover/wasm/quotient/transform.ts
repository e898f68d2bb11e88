/**
 * Number-theoretic transforms in place, over packs in the order that domain.ts describes. No bit reversal: the inverse
 * goes from natural to bit-reversed order in frequency (Gentleman and Sande), the forward one back in time (Cooley and
 * Tukey), and what lies between is not looked at.
 *
 *   inverseTransform   values on the domain to N times the coefficients, bit-reversed
 *   cosetTransform     coefficients, bit-reversed, to the values on the odd points of the doubled domain
 * N is not divided out: whoever joins the results does it in a product that is there anyway.
 *
 * Elements going in may be of any size that kernels store; what `cosetTransform` leaves is reduced. Stages alternate
 * between the kernels' two forms, so that a sum is reduced every other time only.
 */
import { type KernelExports, type Kernels, TWIDDLE_BYTES } from '../../kernels/index.ts';
import type { Domain } from './domain.ts';
import { copyBytes } from './kernel-memory.ts';

/** Packs that a transform works in: a tile, or a progression. */
export const transformWorkPacks = (lanes: number): number => lanes;

/** Stages of one form, and the other. */
interface Stages {
  readonly difRow: KernelExports['fr_ntt_dif_row_tight'];
  readonly ditRow: KernelExports['fr_ntt_dit_row_tight'];
  readonly sumRow: KernelExports['fr_ntt_sum_row_tight'];
  readonly difStage: KernelExports['fr_ntt_dif_stage_tight'];
  readonly ditStage: KernelExports['fr_ntt_dit_stage_tight'];
}

/** Which form is next: a loose stage needs reduced elements, and leaves wide ones. */
class Alternation {
  readonly #tight: Stages;
  readonly #loose: Stages;
  wide = true;

  constructor(kernel: KernelExports) {
    this.#tight = {
      difRow: kernel.fr_ntt_dif_row_tight,
      ditRow: kernel.fr_ntt_dit_row_tight,
      sumRow: kernel.fr_ntt_sum_row_tight,
      difStage: kernel.fr_ntt_dif_stage_tight,
      ditStage: kernel.fr_ntt_dit_stage_tight,
    };
    this.#loose = {
      difRow: kernel.fr_ntt_dif_row_loose,
      ditRow: kernel.fr_ntt_dit_row_loose,
      sumRow: kernel.fr_ntt_sum_row_loose,
      difStage: kernel.fr_ntt_dif_stage_loose,
      ditStage: kernel.fr_ntt_dit_stage_loose,
    };
  }

  next(mustReduce: boolean): Stages {
    if (this.wide || mustReduce) {
      this.wide = false;
      return this.#tight;
    }
    this.wide = true;
    return this.#loose;
  }
}

const twiddle = (table: number, half: number, j = 0): number => table + TWIDDLE_BYTES * (half - 1 + j);

/** `at`: the array; `work`: `transformWorkPacks` packs. */
export function inverseTransform(kernels: Kernels, domain: Domain, at: number, work: number): void {
  const { rows, rowPacks, packBytes, lanes, inverse } = domain;
  const kernel = kernels.exports;
  const row = (r: number): number => at + r * rowPacks * packBytes;
  const stages = new Alternation(kernel);
  for (let half = rows / 2; half >= 1; half /= 2) {
    const { sumRow, difRow } = stages.next(false);
    eachPairOfRows(rows, half, (x, y, j) => {
      if (j === 0) sumRow(row(x), row(y), rowPacks);
      else difRow(row(x), row(y), twiddle(inverse, half, j), rowPacks);
    });
  }
  for (let r = 0; r < rows; r++) {
    if (r > 0) scaleRow(kernels, domain, row(r), domain.inverseScales, r, work);
    stages.wide = true;
    if (lanes > 1) {
      crossLanes(kernel.fr_ntt_dif_cross, domain, inverse, row(r), work);
      stages.wide = false;
    }
    for (let half = rowPacks / 2; half >= 1; half /= 2) {
      stages.next(false).difStage(row(r), twiddle(inverse, half), half, rowPacks / (2 * half));
    }
  }
}

/** `at`: the array; `work`: `transformWorkPacks` packs. */
export function cosetTransform(kernels: Kernels, domain: Domain, at: number, work: number): void {
  const { rows, rowPacks, packBytes, lanes, coset, betweenRows } = domain;
  const kernel = kernels.exports;
  const row = (r: number): number => at + r * rowPacks * packBytes;
  const stages = new Alternation(kernel);
  for (let r = 0; r < rows; r++) {
    stages.wide = true;
    for (let half = 1; half < rowPacks; half *= 2) {
      const last = lanes === 1 && 2 * half === rowPacks;
      stages.next(last).ditStage(row(r), twiddle(coset, half), half, rowPacks / (2 * half));
    }
    if (lanes > 1) crossLanes(kernel.fr_ntt_dit_cross, domain, coset, row(r), work);
    if (r > 0) scaleRow(kernels, domain, row(r), domain.cosetScales, r, work);
  }
  stages.wide = true;
  for (let half = 1; half < rows; half *= 2) {
    const { sumRow, ditRow } = stages.next(2 * half === rows);
    eachPairOfRows(rows, half, (x, y, j) => {
      if (j === 0) sumRow(row(x), row(y), rowPacks);
      else ditRow(row(x), row(y), twiddle(betweenRows, half, j), rowPacks);
    });
  }
}

/** The stages of a row whose two elements stand in different lanes; `table`: their twiddles. */
function crossLanes(
  cross: KernelExports['fr_ntt_dif_cross'],
  { rowSize, rowPacks, lanes }: Domain,
  table: number,
  at: number,
  work: number,
): void {
  const [wide, narrow] = [rowSize / 2, rowSize / 4];
  cross(at, twiddle(table, wide), twiddle(table, wide, narrow), twiddle(table, narrow), rowPacks / lanes, work);
}

function eachPairOfRows(rows: number, half: number, visit: (x: number, y: number, j: number) => void): void {
  for (let block = 0; block < rows; block += 2 * half) {
    for (let j = 0; j < half; j++) visit(block + j, block + j + half, j);
  }
}

function scaleRow(kernels: Kernels, domain: Domain, at: number, scales: number, row: number, work: number): void {
  const { packBytes, rowPacks } = domain;
  copyBytes(kernels.memory, work, scales + 2 * row * packBytes, packBytes);
  kernels.exports.fr_ntt_scale_row(at, work, scales + (2 * row + 1) * packBytes, rowPacks);
}
