/**
 * What an engine is asked before kernels are trusted to it, in Node and browsers alike: does it know relaxed SIMD, does
 * its multiply-add fuse, and does a module compute right.
 */
import { ZkraftError } from '../../common/core.ts';
import type { Kernels } from './kernels.ts';
import { findWrongAnswer } from './known-answers.ts';

/** (f64, f64, f64) -> f64: lane 0 of f64x2.relaxed_madd. */
const RELAXED_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0],
  ...[1, 8, 1, 96, 3, 124, 124, 124, 1, 124],
  ...[3, 2, 1, 0],
  ...[7, 5, 1, 1, 102, 0, 0],
  ...[10, 22, 1, 20, 0, 32, 0, 253, 20, 32, 1, 253, 20, 32, 2, 253, 20, 253, 135, 2, 253, 33, 0, 11],
);

export const hasRelaxedSimd = (): boolean => WebAssembly.validate(RELAXED_PROBE);

/** Unfused, the f64 kernels would be wrong, not slow. Only where there is relaxed SIMD. */
export function fusesMultiplyAdd(): boolean {
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_PROBE)).exports as {
    f: (a: number, b: number, c: number) => number;
  };
  const e = 2 ** -52;
  // (1 + e)^2 - (1 + 2 e) is e^2, unless the square was rounded before the subtraction.
  return f(1 + e, 1 + e, -(1 + 2 * e)) === e * e;
}

/** Throws `backend_unavailable` unless the instance computes right. Its memory must be nobody else's yet. */
export function requireKnownAnswers(kernels: Kernels): void {
  const wrong = findWrongAnswer(kernels);
  if (wrong === undefined) return;
  throw new ZkraftError('backend_unavailable', `${kernels.name} computes ${wrong} wrong on this machine`, {
    field: 'kernel',
  });
}
