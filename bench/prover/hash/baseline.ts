/** The baseline of `bench hash`: circomlibjs's Poseidon, pair by pair. */
import { readInteger, SCALAR_BYTES, viewOf, writeInteger } from '../../../src/prover/formats/index.ts';
import type { Contender } from '../../harness/contender.ts';
import { type CircomlibElement, loadCircomlibjs } from '../circomlibjs.ts';
import { hashesText, PAIRS, pairBytes } from './instance.ts';

export async function makeBaseline(): Promise<Contender> {
  const poseidon = await loadCircomlibjs();
  const view = viewOf(pairBytes());
  const elements = Array.from({ length: 2 * PAIRS }, (_, i) =>
    poseidon.fromNumber(readInteger(view, i * SCALAR_BYTES)),
  );
  const hashes = new Array<CircomlibElement>(PAIRS);
  return {
    name: poseidon.name,
    grain: PAIRS,
    run: async (_, operations) => {
      for (let done = 0; done < operations; done++) {
        const i = done % PAIRS;
        hashes[i] = poseidon.hash(elements[2 * i] as CircomlibElement, elements[2 * i + 1] as CircomlibElement);
      }
      return undefined;
    },
    result: async () => {
      const out = new Uint8Array(PAIRS * SCALAR_BYTES);
      hashes.forEach((hash, i) => {
        writeInteger(viewOf(out), i * SCALAR_BYTES, poseidon.toNumber(hash));
      });
      return hashesText(out);
    },
    close: async () => {},
  };
}
