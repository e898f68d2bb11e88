/**
 * `bench setup`: one one-party key of a compiled circuit, from its r1cs to the zkey and its verification key in memory.
 *
 * snarkjs has nothing to set beside it: its set-up begins with powers of tau, which take minutes. So the baseline is our
 * own reference in BigInt, with as many threads, and both make the same key, byte for byte, as their random bytes are
 * the same. Compiling the circuit, the check of the finished key and storing it are not part of it.
 */
import type { Bench } from '../../bench.ts';

export const setupBench: Bench = {
  name: 'setup',
  summary: "one one-party key from a circuit's r1cs; baseline our reference in BigInt",
  runs: 3,
  warmUp: 1,
  needsCircuit: true,
  cases: ({ depth, threads }) => [{ depth, threads }],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('./reference.ts')).makeReference,
};
