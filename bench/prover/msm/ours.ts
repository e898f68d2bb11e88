/** Our side of `bench msm`. This build has no MSM of its own, so the baseline's stands in, and the report says so. */
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { makeFfjavascript } from './ffjavascript.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  return { ...(await makeFfjavascript(order)), standIn: true };
}
