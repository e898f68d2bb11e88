/** The baseline of `bench tree`: circomlibjs's Poseidon, level by level; elements stay in its form. */
import type { Contender } from '../../harness/contender.ts';
import { type CircomlibElement, loadCircomlibjs } from '../circomlibjs.ts';
import { LEAVES, leavesOf } from './instance.ts';

export async function makeBaseline(): Promise<Contender> {
  const poseidon = await loadCircomlibjs();
  const leaves = leavesOf('baseline').map((leaf) => poseidon.fromNumber(leaf));
  let root: CircomlibElement | undefined;
  return {
    name: poseidon.name,
    operations: LEAVES.baseline - 1,
    run: async () => {
      let level = leaves;
      while (level.length > 1) {
        const below = level;
        level = Array.from({ length: below.length / 2 }, (_, i) =>
          poseidon.hash(below[2 * i] as CircomlibElement, below[2 * i + 1] as CircomlibElement),
        );
      }
      root = level[0];
      return undefined;
    },
    result: async () => (root === undefined ? '' : poseidon.toNumber(root).toString()),
    close: async () => {},
  };
}
