/**
 * circomlibjs (GPL-3.0), imported when a baseline is started: its Poseidon, which computes in WebAssembly, one hash at a
 * time on one thread. Elements stay in its own form between hashes: nothing is converted while it is timed.
 */
import { createRequire } from 'node:module';
import { versionOf } from './snarkjs-curve.ts';

/** 32 bytes in Montgomery form. */
export type CircomlibElement = Uint8Array;

export interface CircomlibPoseidon {
  readonly name: string;
  hash(left: CircomlibElement, right: CircomlibElement): CircomlibElement;
  fromNumber(value: bigint): CircomlibElement;
  toNumber(element: CircomlibElement): bigint;
}

interface Built {
  (inputs: readonly CircomlibElement[]): CircomlibElement;
  readonly F: { e(value: bigint): CircomlibElement; toObject(element: CircomlibElement): bigint };
}

export async function loadCircomlibjs(): Promise<CircomlibPoseidon> {
  const { buildPoseidon } = await import('circomlibjs');
  const poseidon = (await buildPoseidon()) as unknown as Built;
  return {
    name: `circomlibjs ${versionOf(createRequire(import.meta.url).resolve('circomlibjs'))}`,
    hash: (left, right) => poseidon([left, right]),
    fromNumber: (value) => poseidon.F.e(value),
    toNumber: (element) => poseidon.F.toObject(element),
  };
}
