/**
 * `bench msm`: one multi-scalar multiplication over the bases of a proving key, in G1 and in G2.
 *
 * G1 takes the key's H points, G2 its B2 points (some of them infinity, as in every key); scalars are dense. What can be
 * made from the bases ahead, is: they never change.
 */
import type { Bench } from '../../bench.ts';

export const msmBench: Bench = {
  name: 'msm',
  summary: "one multi-scalar multiplication over a key's bases, G1 and G2; baseline ffjavascript",
  runs: 5,
  needsCircuit: true,
  cases: ({ depth, threads }) => [
    { group: 'G1', depth, threads },
    { group: 'G2', depth, threads },
  ],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('./ffjavascript.ts')).makeFfjavascript,
};
