/** Our side of `bench hash`: a hash a lane, in loops inside WebAssembly. */
import { VERSION } from '../../../src/common/index.ts';
import { selectKernels } from '../../../src/prover/kernels/index.ts';
import { LaneHasher, WORDS_BYTES } from '../../../src/prover/wasm/index.ts';
import type { Contender } from '../../harness/contender.ts';
import { hashesText, PAIRS, pairBytes } from './instance.ts';

export async function makeOurs(): Promise<Contender> {
  const { kernel } = await selectKernels('auto');
  const hasher = await LaneHasher.create(kernel);
  const pairs = pairBytes();
  const hashes = new Uint8Array(PAIRS * WORDS_BYTES);
  return {
    name: `zkraft ${VERSION} (${kernel.name})`,
    tier: kernel.name,
    grain: PAIRS,
    run: async (_, operations) => {
      for (let done = 0; done < operations; done += PAIRS) hasher.hashWords(hashes, pairs);
      return undefined;
    },
    result: async () => hashesText(hashes),
    close: async () => {},
  };
}
