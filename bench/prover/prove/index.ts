/**
 * `bench prove`: the latency of one proof of Merkle membership on all cores, keys in memory and warm.
 *
 * From circuit inputs to a verified proof, on both sides: witness, proof, and the check of the fresh proof.
 */
import type { Bench } from '../../bench.ts';

export const proveBench: Bench = {
  name: 'prove',
  summary: 'one Merkle proof: witness, proof and self-check, on all cores; baseline snarkjs',
  runs: 5,
  // V8 compiles what is hot, in the background: after so many proofs the next one goes at full speed.
  warmUp: 12,
  needsCircuit: true,
  takesBinary: true,
  cases: ({ depth, threads }) => [{ depth, threads }],
  contender: async (side) => {
    switch (side) {
      case 'ours':
        return (await import('./ours.ts')).makeOurs;
      case 'baseline':
        return (await import('./snarkjs.ts')).makeSnarkjs;
      case 'binary':
        return (await import('./binary.ts')).makeBinary;
    }
  },
};
