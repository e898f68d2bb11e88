/**
 * `bench hash`: one Poseidon(2) of many, on one thread.
 *
 * Ours takes and leaves words, canonical, and hashes side by side in lanes; the baseline hashes one pair after another
 * and keeps elements in its own form.
 */
import type { Bench } from '../../bench.ts';

export const hashBench: Bench = {
  name: 'hash',
  summary: 'one Poseidon(2) of many, on one thread; baseline circomlibjs',
  runs: 10,
  needsCircuit: false,
  cases: () => [{ hash: 'poseidon2', threads: 1 }],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('./baseline.ts')).makeBaseline,
};
