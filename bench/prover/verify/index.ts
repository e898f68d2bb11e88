/**
 * `bench verify`: one proof of the Merkle circuit verified, on one thread, the key prepared and everything warm.
 *
 * From snarkjs's JSON to true, on both sides: reading, checks of the points, pairing. Ours is on the caller's own
 * thread: what it costs, and not what it costs to send it elsewhere.
 */
import type { Bench } from '../../bench.ts';

export const verifyBench: Bench = {
  name: 'verify',
  summary: 'one proof verified, on one thread; baseline snarkjs',
  runs: 10,
  // V8 compiles what is hot in the background; after this many verifications it is done.
  warmUp: 200,
  needsCircuit: true,
  needsProofs: true,
  cases: ({ depth, threads }) => [{ depth, threads }],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('./snarkjs.ts')).makeSnarkjs,
};
