/**
 * `bench field`: the arithmetic at the bottom, one product in Fq and one addition in G1.
 *
 * Whole loops run inside WebAssembly, over arrays that fit the first-level cache, on one thread: calls from JavaScript
 * would cost as much as what they call. Our addition is the batched affine one, inversion included; the baseline's is
 * the mixed one (Jacobian plus affine), which is what its sums are made of.
 */
import type { Bench } from '../../bench.ts';

export const fieldBench: Bench = {
  name: 'field',
  summary: 'one product in Fq, one addition in G1, inside WebAssembly; baseline wasmcurves',
  runs: 10,
  needsCircuit: false,
  cases: () => [
    { operation: 'fq-mul', threads: 1 },
    { operation: 'g1-add', threads: 1 },
  ],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('./wasmcurves.ts')).makeWasmcurves,
};
