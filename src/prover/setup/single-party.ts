/**
 * A Groth16 key straight from the r1cs, by one party, without a powers-of-tau file. (eprint 2016/260, section 3.2)
 *
 * The result is a snarkjs zkey: snarkjs, rapidsnark and our own backends prove with it, and its proofs verify
 * wherever Groth16 over BN254 does. What it lacks is a ceremony: whoever runs this could keep the trapdoor and forge,
 * so the artifact that it ends up in says `single-party`. snarkjs's `zkey verify` cannot confirm it, as there is no
 * ptau to compare with; the contribution section holds a digest of the circuit and no contribution.
 *
 * Depth-20 Merkle (4,8xx constraints, domain 2^13): 21,100 G1 and 3,200 G2 products, about two seconds on two cores.
 */
import { createHash, randomBytes as systemRandomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { invariant, ZkraftError } from '../../common/index.ts';
import {
  G1_BYTES,
  G2_BYTES,
  readG1Montgomery,
  readG2Montgomery,
  SCALAR_BYTES,
  type VerificationKey,
  viewOf,
  writeZkey,
} from '../formats/index.ts';
import { Crew } from './crew.ts';
import type { Prepared } from './thread-jobs.ts';
import { drawTrapdoor, type RandomBytes, TRAPDOOR_BYTES } from './trapdoor.ts';

export interface SetupProgress {
  readonly stage: 'scalars' | 'points' | 'key';
  /** Points made so far, and in all. */
  readonly done: number;
  readonly total: number;
}

export interface SinglePartyOptions {
  /** Ends the threads at once; the promise rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SetupProgress) => void;
  /** 1 to 64. Default: what the machine or container allows, at most 8. */
  readonly threads?: number;
  /** Where the trapdoor comes from; for tests only. Default: the system's generator. */
  readonly randomBytes?: RandomBytes;
}

export interface SetupResult {
  readonly zkey: Uint8Array;
  readonly verificationKey: VerificationKey;
}

/** 2^20 rows take minutes in BigInt and about 1 GB; beyond, a ceremony's phase 2 is the right tool. */
export const SETUP_DOMAIN_MAX = 2 ** 20;
const THREADS_MAX = 64;
/** Slices small enough for smooth progress and even load, large enough to share inversions. */
const SLICE_POINTS = { g1: 1024, g2: 256 } as const;

/** Makes the key of a circuit. `r1cs_invalid` when the file is malformed or too large; the main thread stays free. */
export async function singlePartySetup(r1cs: Uint8Array, options: SinglePartyOptions = {}): Promise<SetupResult> {
  const threads = options.threads ?? Math.min(availableParallelism(), 8);
  if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
    throw new ZkraftError('invalid_input', `threads is ${threads}; it must be 1 to ${THREADS_MAX}`, {
      field: 'threads',
    });
  }
  const secrets: SharedArrayBuffer[] = [];
  await using crew = new Crew(threads, options.signal);
  try {
    const trapdoor = new SharedArrayBuffer(TRAPDOOR_BYTES);
    secrets.push(trapdoor);
    drawTrapdoor(new Uint8Array(trapdoor), options.randomBytes ?? systemRandomBytes);

    options.onProgress?.({ stage: 'scalars', done: 0, total: 0 });
    const prepared = await crew.run({ kind: 'prepare', r1cs, domainSizeMax: SETUP_DOMAIN_MAX, trapdoor });
    secrets.push(prepared.g1, prepared.g2);

    const points = await multiplyAll(crew, prepared, options.onProgress);
    const zkey = assemble(prepared, points, circuitDigest(r1cs));
    options.onProgress?.({ stage: 'key', done: points.total, total: points.total });
    const verificationKey = await crew.run({ kind: 'verification-key', zkey });
    return { zkey, verificationKey };
  } finally {
    for (const secret of secrets) new Uint8Array(secret).fill(0);
  }
}

interface Points {
  readonly g1: Uint8Array;
  readonly g2: Uint8Array;
  readonly total: number;
}

/** All products, in slices over the crew. The slow group first, so that the end is not left to one thread. */
async function multiplyAll(
  crew: Crew,
  prepared: Prepared,
  onProgress: SinglePartyOptions['onProgress'],
): Promise<Points> {
  const counts = { g1: prepared.g1.byteLength / SCALAR_BYTES, g2: prepared.g2.byteLength / SCALAR_BYTES };
  const sizes = { g1: G1_BYTES, g2: G2_BYTES };
  const out = { g1: new Uint8Array(counts.g1 * G1_BYTES), g2: new Uint8Array(counts.g2 * G2_BYTES) };
  const total = counts.g1 + counts.g2;
  let done = 0;
  const slices = (['g2', 'g1'] as const).flatMap((group) =>
    Array.from({ length: Math.ceil(counts[group] / SLICE_POINTS[group]) }, async (_, i) => {
      const from = i * SLICE_POINTS[group];
      const to = Math.min(from + SLICE_POINTS[group], counts[group]);
      const points = await crew.run({ kind: 'multiply', group, scalars: prepared[group], from, to });
      out[group].set(points, from * sizes[group]);
      done += to - from;
      onProgress?.({ stage: 'points', done, total });
    }),
  );
  await Promise.all(slices);
  return { ...out, total };
}

/** Cuts the two lists of points into sections, in the order in which thread.ts laid them out. */
function assemble(prepared: Prepared, points: Points, digest: Uint8Array): Uint8Array {
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
