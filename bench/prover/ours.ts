/** How our side presents itself in a report: the backend that proved, and the kernels that it chose. */
import { VERSION } from '../../src/common/index.ts';
import type { BackendName } from '../../src/prover/index.ts';
import type { Contender } from '../harness/contender.ts';

/** While this build has no kernels, `auto` is snarkjs itself, and its ratio to snarkjs is no claim. */
export async function describeOurs(backend: BackendName): Promise<Pick<Contender, 'name' | 'tier' | 'standIn'>> {
  return { name: `zkraft ${VERSION} (${backend})`, tier: backend, standIn: backend === 'snarkjs' };
}
