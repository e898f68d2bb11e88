/** Durations as people write them (`50ms`, `1s`, `5m`, `2h`), held as whole milliseconds. */
import { ZkraftError } from './errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `text`. Throws `invalid_request` naming `field` when it is no duration. */
export function parseDurationMs(text: string, field = 'duration'): number {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text);
  const unitMs = UNIT_MS[match?.[2] ?? ''];
  if (!match || unitMs === undefined) {
    throw new ZkraftError('invalid_request', `${field}: "${text}" is not a duration such as 50ms, 1s, 5m or 2h`, {
      field,
    });
  }
  return Number(match[1]) * unitMs;
}

export function formatDurationMs(ms: number): string {
  if (ms === 0) return '0s';
  for (const unit of ['h', 'm', 's']) {
    const unitMs = UNIT_MS[unit] as number;
    if (ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
