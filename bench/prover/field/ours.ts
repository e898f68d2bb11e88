/** Our side of `bench field`. This build has no kernels of its own, so the baseline's stand in, and the report says so. */
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { makeWasmcurves } from './wasmcurves.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  return { ...(await makeWasmcurves(order)), standIn: true };
}
