/**
 * snarkjs as the judge of what we make. It is GPL-3.0 and ships no types; tests load it, on one thread where they can.
 *
 * Call `closeSnarkjs` in an `after` hook: the curve that it keeps has threads that hold the process.
 */
import type { Groth16Proof, VerificationKey } from '../../src/prover/formats/index.ts';

export interface MemoryFile {
  readonly type: 'mem';
  data?: Uint8Array;
}

type File = string | MemoryFile;

interface CurveGroup {
  readonly g: Uint8Array;
  readonly zero: Uint8Array;
  timesScalar(point: Uint8Array, scalar: bigint): Uint8Array;
  add(a: Uint8Array, b: Uint8Array): Uint8Array;
  toAffine(point: Uint8Array): Uint8Array;
  toObject(point: Uint8Array): unknown;
  toRprLEM(into: Uint8Array, at: number, point: Uint8Array): void;
}

export interface SnarkjsCurve {
  readonly G1: CurveGroup;
  readonly G2: CurveGroup;
  readonly Gt: { toObject(value: Uint8Array): unknown };
  readonly Fr: { readonly w: readonly Uint8Array[]; toObject(value: Uint8Array): bigint };
  pairing(p: Uint8Array, q: Uint8Array): Uint8Array;
}

interface Snarkjs {
  readonly curves: { getCurveFromName(name: string, options?: { singleThread: boolean }): Promise<SnarkjsCurve> };
  readonly groth16: {
    prove(
      zkey: File,
      wtns: File,
      logger?: undefined,
      options?: { singleThread: boolean },
    ): Promise<{ proof: Groth16Proof; publicSignals: string[] }>;
    verify(key: VerificationKey, signals: readonly string[], proof: Groth16Proof): Promise<boolean>;
  };
  readonly zKey: {
    newZKey(r1cs: File, ptau: File, zkey: File): Promise<Uint8Array | -1>;
    exportVerificationKey(zkey: File): Promise<VerificationKey>;
    verifyFromR1cs(r1cs: File, ptau: File, zkey: File): Promise<boolean>;
  };
  readonly powersOfTau: {
    newAccumulator(curve: SnarkjsCurve, power: number, file: File): Promise<unknown>;
    contribute(from: File, to: File, name: string, entropy: string): Promise<unknown>;
    preparePhase2(from: File, to: File): Promise<unknown>;
  };
}

export async function loadSnarkjs(): Promise<Snarkjs> {
  return (await import('snarkjs')) as unknown as Snarkjs;
}

export const inMemory = (data?: Uint8Array): MemoryFile =>
  data === undefined ? { type: 'mem' } : { type: 'mem', data };

/** Ends the threads of the curve that snarkjs keeps on the global object. */
export async function closeSnarkjs(): Promise<void> {
  const kept = (globalThis as { curve_bn128?: { terminate(): Promise<void> } | null }).curve_bn128;
  await kept?.terminate();
}

export async function snarkjsProve(zkey: Uint8Array, wtns: Uint8Array) {
  const { groth16 } = await loadSnarkjs();
  return groth16.prove(inMemory(zkey), inMemory(wtns), undefined, { singleThread: true });
}

export async function snarkjsVerify(key: VerificationKey, signals: readonly string[], proof: Groth16Proof) {
  const { groth16 } = await loadSnarkjs();
  return groth16.verify(key, signals, proof);
}

/** A prepared powers-of-tau file for domains up to 2^power, with one contribution of fixed entropy. For tests only. */
export async function smallPtau(power: number): Promise<Uint8Array> {
  const { powersOfTau, curves } = await loadSnarkjs();
  const files = [inMemory(), inMemory(), inMemory()] as const;
  await powersOfTau.newAccumulator(await curves.getCurveFromName('bn128'), power, files[0]);
  await powersOfTau.contribute(files[0], files[1], 'test', 'entropy of a test');
  await powersOfTau.preparePhase2(files[1], files[2]);
  if (files[2].data === undefined) throw new Error('snarkjs wrote no ptau');
  return files[2].data;
}
