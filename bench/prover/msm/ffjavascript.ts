/** The baseline of `bench msm`: `multiExpAffine` of the curve that snarkjs proves with. */
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { loadSnarkjs } from '../snarkjs-curve.ts';
import { pointText, readInstance } from './instance.ts';

export async function makeFfjavascript(order: ContenderOrder): Promise<Contender> {
  const { group, bases, scalars } = await readInstance(order);
  const { curve, name } = await loadSnarkjs(order.threads);
  const { [group]: G } = curve;
  let sum = new Uint8Array();
  return {
    name: `ffjavascript of ${name}`,
    run: async (_, operations) => {
      for (let i = 0; i < operations; i++) sum = Uint8Array.from(await G.multiExpAffine(bases, scalars));
      return undefined;
    },
    result: async () => pointText(G.toObject(G.toAffine(sum)).slice(0, 2).flat() as bigint[]),
    close: () => curve.terminate(),
  };
}
