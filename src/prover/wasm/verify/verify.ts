/**
 * Groth16's verification (eprint 2016/260) of one proof on the kernels:
 *
 *   e(A, B) e(IC_0 + sum of s_i IC_i, -gamma) e(C, -delta) = e(alpha, beta)
 *
 * Everything is checked before it is used: spelling, counts, ranges, curves; and B's order r at the end of Miller's loop,
 * which computes what the check needs anyway. Nothing is accepted that snarkjs refuses; more is refused, as by the
 * strict parsers of ../../formats.
 */
import type { Kernels } from '../../kernels/core.ts';
import { WORDS_BYTES } from './lane-memory.ts';
import { isInSubgroup } from './miller-loop.ts';
import type { PreparedKey } from './prepared-key.ts';
import {
  outsideSubgroup,
  PROOF_POINTS_BYTES,
  PROOF_POINTS_PACKS,
  proofPointsIn,
  putMovingPoint,
  putProofPoints,
} from './proof-points.ts';
import { readProof, readSignals } from './proof-text.ts';
import { Workspace } from './workspace.ts';

/** Memory that `verify` works in. */
export function verificationWorkBytes(kernels: Kernels, prepared: PreparedKey): number {
  return new Workspace(kernels, prepared, 0).end + PROOF_POINTS_BYTES + PROOF_POINTS_PACKS * kernels.packBytes;
}

/**
 * Whether the proof, as snarkjs's JSON, holds for these public signals under the key.
 * Malformed parts are no answer: they throw `proof_malformed` or `public_signals_malformed`, which name the field.
 * `work`: `verificationWorkBytes` of memory that nobody else uses meanwhile.
 */
export function verify(
  kernels: Kernels,
  prepared: PreparedKey,
  proof: unknown,
  publicSignals: unknown,
  work: number,
): boolean {
  const coordinates = readProof(proof);
  const signals = readSignals(publicSignals, prepared.key.nPublic);
  const space = new Workspace(kernels, prepared, work);
  const { memory } = space;
  const room = memory.room(space.end);
  const points = proofPointsIn(memory, room);
  space.begin(room.end);
  putProofPoints(memory, prepared, points, coordinates, space.work);

  const word = (i: number): number => points.words + i * WORDS_BYTES;
  putMovingPoint(memory, points.pair.point, word(0), word(1));
  space.preparePair(points.pair);
  const fixed = space.fixedPairs([
    [space.sumOfBases(0, 1, signals, true), prepared.lines.gamma],
    [{ x: word(6), y: word(7), z: space.oneWords }, prepared.lines.delta],
  ]);
  space.millerLoop([points.pair], fixed);
  if (!isInSubgroup(memory, points.pair, space.work)) throw outsideSubgroup();
  return space.isPairingProduct(prepared.alphaBeta);
}
