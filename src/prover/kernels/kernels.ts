/**
 * One instance of a kernel module over a memory: what the control code calls.
 *
 * All pointers are byte addresses, multiples of 16. Three forms of an element of Fq or Fr:
 *   words  32 bytes, little-endian, plain and canonical: what files, witnesses and scalars are in
 *   pack   one element a lane, side by side, in the tier's own Montgomery form: what arithmetic works on
 *   cell   one element alone, `cellBytes`, in the same form: what tables and buckets are made of
 * Fq2 is two of each, the real part first. A point is x then y, as cells; infinity has no point.
 */
import { type ElementName, elementAddress } from './layout-constants.ts';

export type KernelTier = 'fma2' | 'fma4' | 'int2';

/** z, x, y: packs. `_n`: over n packs that follow one another. */
type Binary = (z: number, x: number, y: number) => void;
type Unary = (z: number, x: number) => void;

type Butterflies = (x: number, y: number, w: number, n: number) => void;
/** Blocks of 2 half packs that follow one another, with the same `half` twiddles each. */
type Stage = (x: number, w: number, half: number, blocks: number) => void;

export interface KernelExports {
  readonly fq_mul: Binary;
  readonly fq_sqr: Unary;
  readonly fq_add: Binary;
  readonly fq_sub: Binary;
  readonly fq_neg: Unary;
  readonly fq_mul_n: (z: number, x: number, y: number, n: number) => void;
  /** x^(p - 2) in each lane; zero stays zero. `work`: 17 packs. */
  readonly fq_inverse: (z: number, x: number, work: number) => void;
  /** The value below p in the 32 bytes at `at` becomes its inverse, below 2 p: 0. Zero stays zero: 1. */
  readonly fq_invert_words: (at: number) => number;
  /** 1 / x in every lane, by one inversion, and 0; or 1 when some lane is zero. `work`: 6 packs. */
  readonly fq_inverse_all: (z: number, x: number, work: number) => number;
  /** Lane l from the words at source + l stride, times the pack `factor` (see `element`). */
  readonly fq_read: (z: number, source: number, stride: number, factor: number) => void;
  /** Lane l's canonical value to the words at target + l stride. */
  readonly fq_write: (target: number, stride: number, x: number) => void;
  /** `list`: a 32-bit reference a lane, the cell's address / 16, sign in bit 31; `offset` is added to each address. */
  readonly fq_gather: (z: number, list: number, offset: number) => void;
  readonly fq_gather_signed: (z: number, list: number, offset: number) => void;
  readonly fq_scatter: (list: number, offset: number, x: number) => void;

  readonly fr_mul: Binary;
  readonly fr_sqr: Unary;
  readonly fr_add: Binary;
  readonly fr_sub: Binary;
  readonly fr_neg: Unary;
  readonly fr_mul_n: (z: number, x: number, y: number, n: number) => void;
  readonly fr_inverse: (z: number, x: number, work: number) => void;
  readonly fr_read: (z: number, source: number, stride: number, factor: number) => void;
  readonly fr_write: (target: number, stride: number, x: number) => void;
  readonly fr_gather: (z: number, list: number, offset: number) => void;
  readonly fr_gather_signed: (z: number, list: number, offset: number) => void;
  readonly fr_scatter: (list: number, offset: number, x: number) => void;

  /**
   * z = Poseidon(2) of left and right, a hash a lane, and what its S-boxes took in, POSEIDON_TRACE_PACKS packs
   * (poseidon-trace.ts). `work`: 6 packs.
   */
  readonly poseidon2_trace: (
    z: number,
    trace: number,
    left: number,
    right: number,
    parameters: number,
    work: number,
  ) => void;
  /** z_i becomes the words number list_i, 32 bits, from `base` on. */
  readonly words_gather: (z: number, base: number, list: number, n: number) => void;
  readonly words_clear: (at: number, n: number) => void;
  /** Poseidon(2) of n packs of pairs, 64 bytes a pair as words, 32 bytes a hash; `work`: HASH_WORK_PACKS. */
  readonly poseidon2_words: (target: number, source: number, n: number, parameters: number, work: number) => void;
  /** Transforms, in the forms and with the twiddles of generator/ntt-kernels.ts: one twiddle for n pairs of packs. */
  readonly fr_ntt_dif_row_loose: Butterflies;
  readonly fr_ntt_dif_row_tight: Butterflies;
  readonly fr_ntt_dit_row_loose: Butterflies;
  readonly fr_ntt_dit_row_tight: Butterflies;
  /** (x, y) becomes (x + y, x - y), over n packs. */
  readonly fr_ntt_sum_row_loose: (x: number, y: number, n: number) => void;
  readonly fr_ntt_sum_row_tight: (x: number, y: number, n: number) => void;
  /** In frequency the first twiddle of `w` is taken to be one, in time it is read. */
  readonly fr_ntt_dif_stage_loose: Stage;
  readonly fr_ntt_dif_stage_tight: Stage;
  readonly fr_ntt_dit_stage_loose: Stage;
  readonly fr_ntt_dit_stage_tight: Stage;
  /** The stages across lanes, tight, n tiles of as many packs as lanes. `wb` and `v` are read for four lanes. `work`: a tile. */
  readonly fr_ntt_dif_cross: (x: number, w: number, wb: number, v: number, n: number, work: number) => void;
  readonly fr_ntt_dit_cross: (x: number, w: number, wb: number, v: number, n: number, work: number) => void;
  /** x_i becomes x_i t r^i; t, a pack, is left at t r^n. */
  readonly fr_ntt_scale_row: (x: number, t: number, r: number, n: number) => void;
  /** One row of a twiddle in each lane, `stride` bytes apart: x k. */
  readonly fr_ntt_row: (at: number, stride: number, x: number, k: number) => void;
  /** (a b - c scale) k as words, lane l of pack i at `at` + 32 i + l stride; a, b, c reduced, n packs. */
  readonly fr_ntt_join_row: (
    at: number,
    stride: number,
    a: number,
    b: number,
    c: number,
    scale: number,
    k: number,
    n: number,
  ) => void;
  /** Lane l to the cell at z + l FIELD_CELL_STRIDE. */
  readonly fr_spread: Unary;
  /** Words that follow one another to cells FIELD_CELL_STRIDE apart, as many as n packs hold. `work`: a pack. */
  readonly fr_cells_n: (z: number, source: number, factor: number, n: number, work: number) => void;
  /** Sparse rows times wires, by a program; see generator/qap-kernels.ts. `work`: three packs. */
  readonly fr_qap_rows: (
    program: number,
    groups: number,
    wires: number,
    coefficients: number,
    target: number,
    work: number,
  ) => void;

  readonly fq2_mul: Binary;
  readonly fq2_sqr: Unary;
  readonly fq2_add: Binary;
  readonly fq2_sub: Binary;
  readonly fq2_neg: Unary;
  /** `work`: 20 packs. */
  readonly fq2_inverse: (z: number, x: number, work: number) => void;

  /**
   * Batched-affine: the points at `targets` gain those at `operands`, with their signs. Lists of n references, n a
   * multiple of the lanes, targets all different. 0: done. 1: some pair had equal x, and nothing was changed.
   * `work`: POINT_SCRATCH_PACKS packs, and a coordinate for each pack of points and one more.
   */
  readonly g1_accumulate: (targets: number, operands: number, n: number, work: number) => number;
  readonly g1_double: (targets: number, n: number, work: number) => number;
  /** The targets become the operands, with their signs. */
  readonly g1_copy: (targets: number, operands: number, n: number, work: number) => void;
  readonly g2_accumulate: (targets: number, operands: number, n: number, work: number) => number;
  readonly g2_double: (targets: number, n: number, work: number) => number;
  readonly g2_copy: (targets: number, operands: number, n: number, work: number) => void;
}

/** A module chosen and compiled; it crosses to threads as it is, and keeps its fast code there. */
export interface KernelModule {
  readonly tier: KernelTier;
  /** The file it came from, without `.wasm`. */
  readonly name: string;
  readonly lanes: 2 | 4;
  readonly packBytes: number;
  readonly cellBytes: number;
  readonly module: WebAssembly.Module;
}

export interface Kernels extends KernelModule {
  readonly memory: WebAssembly.Memory;
  readonly exports: KernelExports;
  /** The address of a named pack. */
  element(name: ElementName): number;
}

/** Constants are written to the memory's first 64 KiB, by every instance the same ones. */
export async function instantiateKernels(kernel: KernelModule, memory: WebAssembly.Memory): Promise<Kernels> {
  const instance = await WebAssembly.instantiate(kernel.module, { env: { memory } });
  return {
    ...kernel,
    memory,
    exports: instance.exports as unknown as KernelExports,
    element: (name) => elementAddress(name, kernel.packBytes),
  };
}

/** Grown to what is needed; the maximum costs address space alone. */
export function createKernelMemory(pages = 16): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: 65_536, shared: true });
}
