/**
 * The seam between a set-up and what computes for it: the kernels (kernel-arithmetic.ts), or BigInt
 * (reference-arithmetic.ts), which is their oracle and takes their place where none runs. For the same circuit and
 * random bytes both make the same key, byte for byte.
 */
import { parseZkey, type VerificationKey } from '../formats/index.ts';
import type { KeyCounts } from '../wasm/index.ts';
import type { VerificationKeyJob } from './thread-jobs.ts';
import type { RandomBytes } from './trapdoor.ts';

export type PointGroup = 'g1' | 'g2';

export interface PreparedKey {
  readonly wires: number;
  readonly publics: number;
  readonly domainSize: number;
  /** The key's section of that name. */
  readonly coefficients: Uint8Array;
  /** How many points of each group there are, in the order of sections. */
  readonly counts: KeyCounts;
}

/** Used in this order, and disposed of in the end: then all that was secret is overwritten and no thread is left. */
export interface KeyArithmetic extends AsyncDisposable {
  drawTrapdoor(randomBytes: RandomBytes): void;
  /** Every scalar of the key. `r1cs_invalid` when the circuit is malformed or too large; `overloaded`. */
  prepare(r1cs: Uint8Array): Promise<PreparedKey>;
  /** Points that are cheap to make at once. */
  readonly slicePoints: Readonly<Record<PointGroup, number>>;
  /** The points from..to of a group, affine in Montgomery form; no more than a slice. */
  multiply(group: PointGroup, from: number, to: number): Promise<Uint8Array>;
  verificationKey(zkey: Uint8Array): Promise<VerificationKey>;
}

/** Without the rest of the file, of which a thread would get a copy. */
export function verificationKeyJob(zkey: Uint8Array): VerificationKeyJob {
  const { header, sections } = parseZkey(zkey, { level: 'header' });
  return { kind: 'verification-key', header, ic: sections.ic.slice() };
}
