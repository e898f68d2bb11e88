/** Our side of `bench tree`: `MerkleTree.build`, as anybody calls it. */
import { VERSION } from '../../../src/common/index.ts';
import { MerkleTree, selectKernels } from '../../../src/prover/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { DEPTHS, LEAVES, leavesOf } from './instance.ts';

export async function makeOurs({ threads }: ContenderOrder): Promise<Contender> {
  const { kernel } = await selectKernels('auto');
  const leaves = leavesOf('ours');
  return {
    name: `zkraft ${VERSION} (${kernel.name})`,
    tier: kernel.name,
    operations: LEAVES.ours - 1,
    run: async () => {
      await MerkleTree.build({ depth: DEPTHS.ours, leaves, threads });
      return undefined;
    },
    result: async () => {
      const tree = await MerkleTree.build({ depth: DEPTHS.ours, leaves, threads });
      return tree.subtreeRoot(DEPTHS.baseline, 0).toString();
    },
    close: async () => {},
  };
}
