/** How our side presents itself in a report: the backend that proved, and the kernels that it chose. */
import { VERSION } from '../../src/common/index.ts';
import { type BackendName, selectKernels } from '../../src/prover/index.ts';
import type { Contender } from '../harness/contender.ts';

/** Where `auto` is snarkjs itself its ratio to snarkjs is no claim. */
export async function describeOurs(backend: BackendName): Promise<Pick<Contender, 'name' | 'tier' | 'standIn'>> {
  const tier = backend === 'wasm' ? (await selectKernels('auto')).kernel.name : backend;
  return { name: `zkraft ${VERSION} (${backend})`, tier, standIn: backend === 'snarkjs' };
}
