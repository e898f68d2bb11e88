/**
 * What verification computes once per key: lines of beta, gamma and delta, tables of IC and alpha, e(alpha, beta).
 *
 * All of it is numbers and addresses, so that it can be handed to other threads that share the memory. The lines are
 * those of -beta, -gamma and -delta: the equation is then a product,
 *   e(A, B) e(IC, -gamma) e(C, -delta) = e(alpha, beta).
 */
import { parseVerificationKey, type VerificationKey } from '../../formats/core.ts';
import type { Kernels } from '../../kernels/core.ts';
import { BN_X, Fq, Fq12, FROBENIUS_GAMMA, G1, G2, pairing, readG1, readG2 } from '../../reference/core.ts';
import { type FixedBases, fixedBasesBytes, fixedBasesWorkBytes, writeFixedBases } from './fixed-bases.ts';
import { LaneMemory, WORDS_BYTES } from './lane-memory.ts';
import { FIXED_LINE_PACKS, LINES, TWIST_CONSTANT_PACKS, writeFixedLines, writeTwistConstants } from './miller-loop.ts';
import { TOWER_CONSTANT_PACKS, writeTowerConstants } from './tower.ts';

/** A cube root of unity in Fq: (x, y) -> (beta x, y) is an endomorphism of G1, the product by `ENDOMORPHISM_SCALAR`. */
export const CUBE_ROOT = Fq.create(18n * BN_X ** 3n + 18n * BN_X ** 2n + 9n * BN_X + 1n);
export const ENDOMORPHISM_SCALAR = 36n * BN_X ** 3n + 18n * BN_X ** 2n + 6n * BN_X + 1n;

export interface PreparedKey {
  readonly key: VerificationKey;
  /** Memory from here on is free again. */
  readonly end: number;
  /** IC_0, .. IC_n and alpha, in this order. */
  readonly bases: FixedBases;
  /** IC_0, affine, in both lanes. */
  readonly inputBase: number;
  readonly lines: { readonly beta: number; readonly gamma: number; readonly delta: number };
  /** e(alpha, beta), and one, in Fq12. */
  readonly alphaBeta: number;
  readonly one: number;
  readonly towerConstants: number;
  readonly twistConstants: number;
  /** 3 in both lanes; the twist's b'; beta and beta^2 of the endomorphism in both lanes. */
  readonly curveB: number;
  readonly twistB: number;
  readonly cubeRoots: number;
}

/** Memory that preparing a key of so many public signals takes, of which what lies behind `end` is given back. */
export function preparationBytes(kernels: Kernels, publicSignals: number): number {
  const memory = new LaneMemory(kernels, 0);
  const packs = TOWER_CONSTANT_PACKS + TWIST_CONSTANT_PACKS + 2 + 1 + 1 + 2 + 12 + 3 * LINES * FIXED_LINE_PACKS;
  const bases = publicSignals + 2;
  return (
    packs * memory.packBytes + 2 * WORDS_BYTES + fixedBasesBytes(memory, bases) + fixedBasesWorkBytes(memory, bases)
  );
}

/** Checks the key as strictly as `parseVerificationKey` does (`vkey_invalid`), and prepares it at `at`. */
export function prepareVerificationKey(kernels: Kernels, vkey: unknown, at: number): PreparedKey {
  const key = parseVerificationKey(vkey);
  const memory = new LaneMemory(kernels, at);
  memory.requireUpTo(at + preparationBytes(kernels, key.nPublic));
  const room = memory.room(at + 2 * WORDS_BYTES);
  const code = 'vkey_invalid';
  const alpha = readG1(key.vk_alpha_1, 'vk_alpha_1', code);
  const beta = readG2(key.vk_beta_2, 'vk_beta_2', code);
  const ic = key.IC.map((point, i) => readG1(point, `IC[${i}]`, code));

  const fq = (...values: readonly bigint[]): number => {
    const packs = room.packs(values.length);
    values.forEach((value, i) => {
      memory.putFq(packs + i * memory.packBytes, value);
    });
    return packs;
  };
  const lines = (q: ReturnType<typeof readG2>): number => {
    const packs = room.packs(LINES * FIXED_LINE_PACKS);
    writeFixedLines(memory, packs, G2.neg(q) as typeof q);
    return packs;
  };
  const towerConstants = room.packs(TOWER_CONSTANT_PACKS);
  writeTowerConstants(memory, towerConstants);
  const twistConstants = room.packs(TWIST_CONSTANT_PACKS);
  writeTwistConstants(memory, twistConstants, FROBENIUS_GAMMA);
  const twistB = room.packs(1);
  memory.putFq2(twistB, G2.b);
  const alphaBeta = room.packs(6);
  memory.putFq12(alphaBeta, pairing(alpha, beta));
  const one = room.packs(6);
  memory.putFq12(one, Fq12.one);
  const [first] = ic as [ReturnType<typeof readG1>];
  const prepared = {
    key,
    towerConstants,
    twistConstants,
    twistB,
    alphaBeta,
    one,
    curveB: fq(G1.b),
    cubeRoots: fq(CUBE_ROOT, Fq.square(CUBE_ROOT)),
    inputBase: fq(first.x, first.y),
    lines: {
      beta: lines(beta),
      gamma: lines(readG2(key.vk_gamma_2, 'vk_gamma_2', code)),
      delta: lines(readG2(key.vk_delta_2, 'vk_delta_2', code)),
    },
  };
  const points = [...ic, alpha];
  const tables = room.bytes(fixedBasesBytes(memory, points.length));
  return { ...prepared, bases: writeFixedBases(memory, points, tables, room.end), end: room.end };
}
