/** The baseline of `bench setup`: the reference in BigInt, as set-ups were before they had kernels. */
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { makeContender } from './instance.ts';

export async function makeReference(order: ContenderOrder): Promise<Contender> {
  const { version, ...contender } = await makeContender(order, 'reference');
  return { ...contender, name: `${version}'s reference in BigInt` };
}
