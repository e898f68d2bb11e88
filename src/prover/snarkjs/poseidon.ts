/** circomlib's Poseidon over two inputs, as circomlibjs computes it: about 50 us a hash. Loaded when first asked for. */
import type { Hash2 } from '../merkle/index.ts';
import { loadInThread } from './load-in-thread.ts';

let loaded: Promise<Hash2> | undefined;

/** The same function each time, so that what is cached by it is found again. */
export function poseidon2(): Promise<Hash2> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Hash2> {
  const { buildPoseidon } = await loadInThread(() => import('circomlibjs'));
  const poseidon = await buildPoseidon();
  return (left, right) => poseidon.F.toObject(poseidon([left, right]));
}
