/**
 * `bench ntt`: one forward transform over the scalar field, of the domain size of the circuit of that depth.
 *
 * A proof takes six of them. In and out in natural order, over the roots of unity that snarkjs's keys are written for.
 */
import type { Bench } from '../../bench.ts';

export const nttBench: Bench = {
  name: 'ntt',
  summary: "one transform of the circuit's domain size over Fr; baseline ffjavascript",
  runs: 10,
  needsCircuit: true,
  cases: ({ depth, threads }) => [{ depth, threads }],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('./ffjavascript.ts')).makeFfjavascript,
};
