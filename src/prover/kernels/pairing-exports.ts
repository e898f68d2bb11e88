/**
 * What modules of two lanes export for the pairing. Layouts are in generator/pairing-control.ts: an element of Fq2 is
 * one pack, real part in lane 0; one of Fq12 is six, the coefficients of w^0 .. w^5.
 */
import type { KernelExports, Kernels } from './kernels.ts';

type Binary = (z: number, x: number, y: number) => void;
type Unary = (z: number, x: number) => void;

export interface PairingExports {
  readonly f2_mul: Binary;
  readonly f2_sqr: Unary;
  readonly f2_add: Binary;
  readonly f2_sub: Binary;
  readonly f2_neg: Unary;
  readonly f2_double: Unary;
  readonly f2_conjugate: Unary;
  /** Times 9 + u. */
  readonly f2_xi: Unary;
  /** Times an element of Fq that stands in both lanes. */
  readonly f2_scale: Binary;
  /** The norm to Fq, in both lanes. */
  readonly f2_norm: Unary;

  /** z is neither x nor y, here and below. `work`: 14 packs. */
  readonly f12_mul: (z: number, x: number, y: number, work: number) => void;
  /** `work`: 11 packs. */
  readonly f12_sqr: (z: number, x: number, work: number) => void;
  /** The square of an element of the cyclotomic subgroup. `work`: 1 pack. */
  readonly f12_cyclotomic: (z: number, x: number, work: number) => void;
  readonly f12_line: (z: number, x: number, line: number) => void;
  /** `line`: 5 packs of work. */
  readonly f12_fixed_line: (z: number, x: number, fixed: number, point: number, line: number) => void;

  /** `work`: 5 packs. */
  readonly g2_tangent: (t: number, point: number, line: number, threeB: number, work: number) => void;
  /** `work`: 7 packs. */
  readonly g2_chord: (t: number, q: number, point: number, line: number, work: number) => void;

  /** `work`: 3 packs. */
  readonly j1_double: (t: number, work: number) => void;
  /** `work`: 5 packs. */
  readonly j1_add_affine: (t: number, q: number, work: number) => void;
  /** `work`: 6 packs. */
  readonly j1_add: (t: number, q: number, work: number) => void;
  /** The two lanes exchanged. */
  readonly j1_swap: Unary;
  /** A product, reduced. */
  readonly j1_redmul: Binary;
}

/** The exports, where the module has them: one of two lanes, as Fq2 fills two and a single proof has no second pair. */
export function pairingExports(kernels: Kernels): KernelExports & PairingExports {
  if (!('f12_mul' in kernels.exports))
    throw new RangeError(`the kernels ${kernels.name} have no pairing; take a module of two lanes`);
  return kernels.exports as unknown as KernelExports & PairingExports;
}
