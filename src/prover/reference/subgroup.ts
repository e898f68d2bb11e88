/**
 * Whether many points of the twist are all in G2, for about the price of twenty single checks.
 *
 * A random sum of the points is tested instead of each point. One such sum would not do: the cofactor's least prime
 * factor is 10069, so a bad component of that order vanishes from a sum with chance 1/10069. Here each of 16 rounds
 * draws a byte of weight for every point; at most one value of a byte hides a given point's component, as 256 < 10069.
 * So a bad point survives all rounds with a chance of at most 2^-128, whatever the others are.
 */
import { G2, type G2Point, isInG2 } from './bn254.ts';
import type { Fq2Element } from './tower.ts';
import type { Jacobian } from './weierstrass.ts';

const ROUNDS = 16;
/** Below this, checking one by one is cheaper. */
const SINGLY_MAX = 32;

/** `randomBytes` must be unpredictable to whoever made the points. */
export function areAllInG2(points: readonly G2Point[], randomBytes: (count: number) => Uint8Array): boolean {
  if (points.length <= SINGLY_MAX) return points.every(isInG2);
  if (!points.every((p) => G2.isOnCurve(p))) return false;
  for (let round = 0; round < ROUNDS; round++) {
    const weights = randomBytes(points.length);
    if (!isInG2(G2.toAffine(weightedSum(points, weights)))) return false;
  }
  return true;
}

/** The sum of weight_i point_i, by one bucket a weight. */
function weightedSum(points: readonly G2Point[], weights: Uint8Array): Jacobian<Fq2Element> {
  const buckets: Jacobian<Fq2Element>[] = new Array(256).fill(G2.infinity);
  points.forEach((point, i) => {
    const weight = weights[i] as number;
    buckets[weight] = G2.addMixed(buckets[weight] as Jacobian<Fq2Element>, point);
  });
  let running = G2.infinity;
  let sum = G2.infinity;
  for (let weight = 255; weight > 0; weight--) {
    running = G2.addJacobian(running, buckets[weight] as Jacobian<Fq2Element>);
    sum = G2.addJacobian(sum, running);
  }
  return sum;
}
