/**
 * snarkjs (GPL-3.0), imported when a baseline is started: as its users have it, threads and all, but no more threads
 * than our side has.
 *
 * ffjavascript, which snarkjs brings, starts a thread for each of `os.cpus()`: that is the only place to tell it.
 * With one thread it gets the single-threaded curve, which is quicker than one thread behind messages.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join } from 'node:path';

/** A group of ffjavascript's curve; points and sums are byte arrays, Montgomery form, little-endian. */
export interface SnarkjsGroup {
  multiExpAffine(bases: Uint8Array, scalars: Uint8Array): Promise<Uint8Array>;
  /** bigints, or pairs of them in G2; a third one is the projective coordinate. */
  toObject(point: Uint8Array): readonly unknown[];
  toAffine(point: Uint8Array): Uint8Array;
}

export interface SnarkjsCurve {
  readonly G1: SnarkjsGroup;
  readonly G2: SnarkjsGroup;
  readonly Fr: { fft(values: Uint8Array): Promise<Uint8Array> };
  terminate(): Promise<void>;
}

export interface InMemory {
  readonly type: 'mem';
  readonly data: Uint8Array;
}

/** The part of snarkjs that a bench uses; it ships no types. */
export interface SnarkjsModule {
  readonly curves: { getCurveFromName(name: 'bn128', options?: { singleThread: boolean }): Promise<SnarkjsCurve> };
  readonly groth16: {
    fullProve(input: unknown, wasm: InMemory, zkey: InMemory): Promise<{ proof: unknown; publicSignals: unknown }>;
    verify(verificationKey: unknown, publicSignals: unknown, proof: unknown): Promise<boolean>;
  };
}

export interface LoadedSnarkjs {
  readonly snarkjs: SnarkjsModule;
  /** The curve that snarkjs itself takes, too: it looks for one in a global variable. */
  readonly curve: SnarkjsCurve;
  readonly name: string;
}

export async function loadSnarkjs(threads: number): Promise<LoadedSnarkjs> {
  const cpus = os.cpus();
  os.cpus = () => Array.from({ length: threads }, (_, i) => cpus[i % cpus.length] as os.CpuInfo);
  const snarkjs = (await import('snarkjs')) as unknown as SnarkjsModule;
  const curve = await snarkjs.curves.getCurveFromName('bn128', { singleThread: threads === 1 });
  Object.assign(globalThis, { curve_bn128: curve });
  return { snarkjs, curve, name: `snarkjs ${versionOf(snarkjsFile())}` };
}

/** Where snarkjs is, to find what it brings along. */
export function snarkjsFile(): string {
  return createRequire(import.meta.url).resolve('snarkjs');
}

/** Of the package that a file belongs to: its package.json is the nearest one that has a version. */
export function versionOf(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (!existsSync(manifest)) continue;
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string };
    if (version !== undefined) return version;
  }
  return 'of unknown version';
}
