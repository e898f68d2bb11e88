/** How many threads this process may keep busy: the cgroup's quota where there is one, else the machine's cores. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type ErrorCode, ZkraftError } from '../common/index.ts';

/** Beyond this, memory and the queue cost more than another thread brings. */
export const THREADS_MAX = 64;

/** Throws `code` unless it is a whole number from 0 to `THREADS_MAX`. */
export function checkThreads(threads: number, code: ErrorCode = 'config_invalid'): void {
  if (Number.isInteger(threads) && threads >= 0 && threads <= THREADS_MAX) return;
  const text = `threads is ${threads}; it must be a whole number from 0 to ${THREADS_MAX}`;
  throw new ZkraftError(code, text, { field: 'threads' });
}

/** `readText` gives a file's text, or undefined when it cannot be read. */
export function allowedThreads(readText: (path: string) => string | undefined = tryRead): number {
  return Math.max(1, Math.min(THREADS_MAX, availableParallelism(), Math.ceil(cgroupCores(readText) ?? THREADS_MAX)));
}

/** Cores' worth of time that the cgroup grants (version 2, then 1); undefined without a limit. */
function cgroupCores(readText: (path: string) => string | undefined): number | undefined {
  const [quota, period] = (readText('/sys/fs/cgroup/cpu.max') ?? '').trim().split(' ');
  if (quota !== undefined && quota !== '' && quota !== 'max') return ratio(quota, period);
  const quotaV1 = readText('/sys/fs/cgroup/cpu/cpu.cfs_quota_us')?.trim();
  if (quotaV1 === undefined || quotaV1.startsWith('-')) return undefined;
  return ratio(quotaV1, readText('/sys/fs/cgroup/cpu/cpu.cfs_period_us')?.trim());
}

function ratio(quota: string, period: string | undefined): number | undefined {
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
