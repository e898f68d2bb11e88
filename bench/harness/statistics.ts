/**
 * What a list of samples comes to: the median, since a machine that is shared has slow moments and no fast ones, and
 * how far the samples lie apart, since a median alone hides it.
 */
import { invariant } from '../../src/common/index.ts';

export interface Spread {
  readonly min: number;
  /** First and third quartile: half of all samples lie between them. */
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
  readonly max: number;
}

/** Quantiles by linear interpolation between the two nearest samples (type 7 of Hyndman and Fan). */
export function spreadOf(samples: readonly number[]): Spread {
  invariant(samples.length > 0 && samples.every(Number.isFinite), 'a spread is of at least one finite sample');
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (quantile: number): number => {
    const position = (sorted.length - 1) * quantile;
    const below = sorted[Math.floor(position)] ?? 0;
    const above = sorted[Math.ceil(position)] ?? 0;
    return below + (above - below) * (position - Math.floor(position));
  };
  return { min: at(0), q1: at(0.25), median: at(0.5), q3: at(0.75), max: at(1) };
}

/** Rounded to `digits` significant ones: results go from nanoseconds to minutes, so decimals would not do. */
export function significant(value: number, digits = 5): number {
  return Number(value.toPrecision(digits));
}
