/**
 * A Groth16 key straight from the r1cs, by one party, without a powers-of-tau file. (eprint 2016/260, section 3.2)
 *
 * The result is a snarkjs zkey: snarkjs, rapidsnark and our own backends prove with it, and its proofs verify
 * wherever Groth16 over BN254 does. What it lacks is a ceremony: whoever runs this could keep the trapdoor and forge,
 * so the artifact that it ends up in says `single-party`. snarkjs's `zkey verify` cannot confirm it, as there is no
 * ptau to compare with; the contribution section holds a digest of the circuit and no contribution.
 *
 * What computes is behind `KeyArithmetic`: our kernels, or the reference in BigInt.
 */
import { createHash, randomBytes as systemRandomBytes } from 'node:crypto';
import { invariant, ZkraftError } from '../../common/index.ts';
import { allowedThreads, checkThreads } from '../allowed-threads.ts';
import {
  G1_BYTES,
  G2_BYTES,
  readG1Montgomery,
  readG2Montgomery,
  type VerificationKey,
  viewOf,
  writeZkey,
} from '../formats/index.ts';
import { type KernelModule, selectKernels } from '../kernels/index.ts';
import { KernelArithmetic } from './kernel-arithmetic.ts';
import type { KeyArithmetic, PreparedKey } from './key-arithmetic.ts';
import { ReferenceArithmetic } from './reference-arithmetic.ts';
import type { RandomBytes } from './trapdoor.ts';

export interface SetupProgress {
  readonly stage: 'scalars' | 'points' | 'key';
  /** Points made so far, and in all. */
  readonly done: number;
  readonly total: number;
}

/** Our kernels, or BigInt. */
export type SetupArithmetic = KernelModule | 'reference';

export interface SinglePartyOptions {
  /** Ends the threads at once; the promise rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SetupProgress) => void;
  /** 0 to 64; 0 is the caller's own, which is then busy throughout. Default: what the cgroup or machine allows, at most 8. */
  readonly threads?: number;
  /** What computes. Default `chooseArithmetic`; outside the main thread, give what was chosen there. */
  readonly arithmetic?: SetupArithmetic;
  /** Where the trapdoor comes from; for tests only. Default: the system's generator. */
  readonly randomBytes?: RandomBytes;
}

export interface SetupResult {
  readonly zkey: Uint8Array;
  readonly verificationKey: VerificationKey;
}

/** The fastest kernels that this engine runs; BigInt where none does. To be called on the main thread (tiers.ts). */
export async function chooseArithmetic(): Promise<SetupArithmetic> {
  try {
    return (await selectKernels()).kernel;
  } catch (error) {
    if (ZkraftError.from(error).code !== 'backend_unavailable') throw error;
    return 'reference';
  }
}

/**
 * Makes the key of a circuit. `r1cs_invalid` when the file is malformed or too large, `overloaded` when the system has
 * not enough memory, `invalid_input` for `threads`, `cancelled`. With threads, the calling one stays free.
 */
export async function singlePartySetup(r1cs: Uint8Array, options: SinglePartyOptions = {}): Promise<SetupResult> {
  const { signal, onProgress, randomBytes = systemRandomBytes } = options;
  const threads = options.threads ?? Math.min(allowedThreads(), 8);
  checkThreads(threads, 'invalid_input');
  const chosen = options.arithmetic ?? (await chooseArithmetic());
  await using arithmetic =
    chosen === 'reference'
      ? await ReferenceArithmetic.create(threads, signal)
      : await KernelArithmetic.create(chosen, threads, signal);
  arithmetic.drawTrapdoor(randomBytes);
  onProgress?.({ stage: 'scalars', done: 0, total: 0 });
  const prepared = await arithmetic.prepare(r1cs);
  const points = await multiplyAll(arithmetic, prepared, onProgress);
  const zkey = assemble(prepared, points, circuitDigest(r1cs));
  onProgress?.({ stage: 'key', done: points.total, total: points.total });
  return { zkey, verificationKey: await arithmetic.verificationKey(zkey) };
}

interface Points {
  readonly g1: Uint8Array;
  readonly g2: Uint8Array;
  readonly total: number;
}

/** All products, in slices. The slow group first, so that the end is not left to one thread. */
async function multiplyAll(
  arithmetic: KeyArithmetic,
  { counts }: PreparedKey,
  onProgress: SinglePartyOptions['onProgress'],
): Promise<Points> {
  const sizes = { g1: G1_BYTES, g2: G2_BYTES };
  const out = { g1: new Uint8Array(counts.g1 * G1_BYTES), g2: new Uint8Array(counts.g2 * G2_BYTES) };
  const total = counts.g1 + counts.g2;
  let done = 0;
  const slices = (['g2', 'g1'] as const).flatMap((group) => {
    const slice = arithmetic.slicePoints[group];
    return Array.from({ length: Math.ceil(counts[group] / slice) }, async (_, i) => {
      const from = i * slice;
      const to = Math.min(from + slice, counts[group]);
      out[group].set(await arithmetic.multiply(group, from, to), from * sizes[group]);
      done += to - from;
      onProgress?.({ stage: 'points', done, total });
    });
  });
  await Promise.all(slices);
  return { ...out, total };
}

/** Cuts the two lists of points into sections, in the order of `KeyCounts`. */
function assemble(prepared: PreparedKey, points: Points, digest: Uint8Array): Uint8Array {
  const { wires, publics, domainSize, coefficients } = prepared;
  const cutter = (bytes: Uint8Array, size: number) => {
    let at = 0;
    return {
      take: (count: number): Uint8Array => {
        at += count * size;
        return bytes.subarray(at - count * size, at);
      },
      end: () => invariant(at === bytes.length, 'a set-up made another number of points than the key has'),
    };
  };
  const g1 = cutter(points.g1, G1_BYTES);
  const g2 = cutter(points.g2, G2_BYTES);
  const oneG1 = () => readG1Montgomery(viewOf(g1.take(1)), 0) ?? null;
  const oneG2 = () => readG2Montgomery(viewOf(g2.take(1)), 0) ?? null;
  const [alpha1, beta1, delta1] = [oneG1(), oneG1(), oneG1()];
  const [beta2, gamma2, delta2] = [oneG2(), oneG2(), oneG2()];
  const sections = {
    ic: g1.take(publics + 1),
    a: g1.take(wires),
    b1: g1.take(wires),
    c: g1.take(wires - publics - 1),
    h: g1.take(domainSize),
    b2: g2.take(wires),
    coefficients,
    // Digest, and a count of no contributions.
    contributions: Buffer.concat([digest, new Uint8Array(4)]),
  };
  g1.end();
  g2.end();
  return writeZkey({ header: { wires, publics, domainSize, alpha1, beta1, beta2, gamma2, delta1, delta2 }, sections });
}

/** 64 bytes where snarkjs keeps its circuit hash, so that tools can print something that names the circuit. */
function circuitDigest(r1cs: Uint8Array): Uint8Array {
  return createHash('blake2b512').update('zkraft single-party set-up v1\0').update(r1cs).digest();
}
