/**
 * `bench verify-batch`: 64 proofs under one key verified together, on one thread; figures are per proof.
 *
 * snarkjs knows no batches: the baseline verifies one by one, as whoever uses it has to.
 */
import type { Bench } from '../../bench.ts';
import { PROOFS } from '../circuit-files.ts';

export const verifyBatchBench: Bench = {
  name: 'verify-batch',
  summary: `${PROOFS} proofs verified together, on one thread, per proof; baseline snarkjs, one by one`,
  runs: 10,
  warmUp: 4 * PROOFS,
  needsCircuit: true,
  needsProofs: true,
  perSecond: true,
  cases: ({ depth, threads }) => [{ depth, threads, proofs: PROOFS }],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('../verify/snarkjs.ts')).makeSnarkjs,
};
