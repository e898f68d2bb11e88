/** From samples of a long run of proofs to PASS or FAIL. Pure. */
export interface Sample {
  /** Proofs done when the sample ended. */
  readonly proofs: number;
  readonly elapsedMs: number;
  /** The largest resident set seen since the sample before. */
  readonly rssBytes: number;
}

export interface Finding {
  readonly pass: boolean;
  readonly text: string;
}

/**
 * What a process has taken after `settleProofs` it may keep, and grow by `growthMax` as a factor, whatever is still to
 * come. The samples taken until then are not looked at.
 */
export function judgeMemory(samples: readonly Sample[], settleProofs: number, growthMax: number): Finding {
  const settled = samples.filter(({ proofs }) => proofs >= settleProofs);
  const [first] = settled;
  if (first === undefined || settled.length < 2) {
    throw new Error(`a verdict needs two samples at least after ${settleProofs} proofs; there are ${settled.length}`);
  }
  const largest = Math.max(...settled.map(({ rssBytes }) => rssBytes));
  const growth = first.rssBytes > 0 ? largest / first.rssBytes : Number.POSITIVE_INFINITY;
  const percent = (factor: number): string => `+${((factor - 1) * 100).toFixed(1)} %`;
  return {
    pass: growth <= growthMax,
    text:
      `RSS ${megabytesText(first.rssBytes)} after ${first.proofs} proofs, then ${megabytesText(largest)} at most, ` +
      `${percent(growth)}; at most ${percent(growthMax)}`,
  };
}

export const megabytesText = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
