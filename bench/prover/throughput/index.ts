/**
 * `bench prove-throughput`: proofs a second when there are always more to make, a proof per thread, on all cores.
 *
 * One sample makes a few proofs on every thread; figures are per proof.
 */
import type { Bench } from '../../bench.ts';

export const throughputBench: Bench = {
  name: 'prove-throughput',
  summary: 'Merkle proofs a second, a proof per thread; baseline snarkjs, one instance a core',
  runs: 3,
  needsCircuit: true,
  perSecond: true,
  cases: ({ depth, threads }) => [{ depth, threads }],
  contender: async (side) => {
    const { makePooled } = await import('./pooled.ts');
    return (order) => makePooled(order, side === 'ours' ? 'auto' : 'snarkjs');
  },
};
