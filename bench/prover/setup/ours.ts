/** Our side of `bench setup`: the kernels that `auto` means. */
import { chooseArithmetic } from '../../../src/prover/setup/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { makeContender } from './instance.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  const arithmetic = await chooseArithmetic();
  const tier = arithmetic === 'reference' ? arithmetic : arithmetic.name;
  const { version, ...contender } = await makeContender(order, arithmetic);
  return { ...contender, name: `${version} (${tier})`, tier, standIn: arithmetic === 'reference' };
}
