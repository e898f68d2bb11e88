/** What processes have used, from Linux's /proc. Elsewhere nothing is known, and the report says so. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Usage {
  /** Of all threads since the process began, user and system. */
  readonly cpuMs: number;
  readonly rssMb: number;
  /** The most that was ever resident. */
  readonly peakRssMb: number;
}

/** proc(5): in hundredths of a second on every Linux that Node runs on. */
const TICK_MS = 10;
const PARENT = 1;
const OWN_TICKS = [11, 12] as const;
/** Of children that have ended and were waited for. */
const ALL_TICKS = [11, 12, 13, 14] as const;

/** `undefined`: no such process, or no /proc. */
export function usageOf(pid: number, withEnded = false): Usage | undefined {
  const fields = statOf(pid);
  if (fields === undefined) return undefined;
  const ticks = (withEnded ? ALL_TICKS : OWN_TICKS).reduce((sum, i) => sum + Number(fields[i]), 0);
  const status = readOrEmpty(`/proc/${pid}/status`);
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { cpuMs: ticks * TICK_MS, rssMb: megabytes('VmRSS'), peakRssMb: megabytes('VmHWM') };
}

/**
 * A process and its children together, as PostgreSQL is. Memory is that of the parent and of what each child has for
 * itself: what they share counts once.
 */
export function usageOfFamily(pid: number): Usage | undefined {
  const parent = usageOf(pid, true);
  if (parent === undefined) return undefined;
  let { cpuMs, rssMb } = parent;
  for (const child of childrenOf(pid)) {
    const usage = usageOf(child);
    if (usage === undefined) continue;
    cpuMs += usage.cpuMs;
    rssMb += privateMb(child);
  }
  return { cpuMs, rssMb, peakRssMb: rssMb };
}

export const parentOf = (pid: number): number | undefined => {
  const parent = Number(statOf(pid)?.[PARENT]);
  return Number.isInteger(parent) ? parent : undefined;
};

function childrenOf(pid: number): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((candidate) => parentOf(candidate) === pid);
  } catch {
    return [];
  }
}

function privateMb(pid: number): number {
  const text = readOrEmpty(`/proc/${pid}/smaps_rollup`);
  const kilobytes = [...text.matchAll(/^Private_\w+:\s+(\d+) kB/gm)].reduce((sum, [, kb]) => sum + Number(kb), 0);
  return kilobytes / 1024;
}

/** What follows the name, which may hold anything. */
function statOf(pid: number): string[] | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`);
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
