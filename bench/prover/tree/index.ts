/**
 * `bench tree`: one hash of a Merkle tree that is built from its leaves.
 *
 * Ours builds a tree of 2^18 leaves in threads, reading, checking and starting threads included; the baseline, which has
 * no threads and would take a quarter of a minute, one of 2^11. Both are counted by the hash, and both also say what the
 * smaller tree comes to.
 */
import type { Bench } from '../../bench.ts';
import { LEAVES } from './instance.ts';

export const treeBench: Bench = {
  name: 'tree',
  summary: 'one hash of a Merkle tree of 2^18 leaves; baseline circomlibjs, one thread, 2^11 leaves',
  runs: 3,
  needsCircuit: false,
  cases: ({ threads }) => [{ leaves: LEAVES.ours, threads }],
  contender: async (side) =>
    side === 'ours' ? (await import('./ours.ts')).makeOurs : (await import('./baseline.ts')).makeBaseline,
};
