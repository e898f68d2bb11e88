/** The baseline of `bench ntt`: `Fr.fft` of the curve that snarkjs proves with. */
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { loadSnarkjs } from '../snarkjs-curve.ts';
import { readCoefficients, valuesText } from './instance.ts';

export async function makeFfjavascript(order: ContenderOrder): Promise<Contender> {
  const coefficients = await readCoefficients(order);
  const { curve, name } = await loadSnarkjs(order.threads);
  let values = new Uint8Array();
  return {
    name: `ffjavascript of ${name}`,
    run: async (_, operations) => {
      for (let i = 0; i < operations; i++) values = (await curve.Fr.fft(coefficients)) as Uint8Array<ArrayBuffer>;
      return undefined;
    },
    result: async () => valuesText(values),
    close: () => curve.terminate(),
  };
}
