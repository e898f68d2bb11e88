/**
 * Runs a program and says what it took, CPU time and peak memory included, without a helper in C.
 *
 * Node does not hand out what `wait4` tells of a child. On Linux the kernel adds a child's CPU time to its parent's
 * account when it is waited for (/proc/self/stat, fields 16 and 17, in ticks of 10 ms), and keeps a process's peak
 * memory in its status (VmHWM), which is read every few milliseconds while it lives. Elsewhere both are unknown. The
 * caller's process must have no other children meanwhile.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ZkraftError } from '../../src/common/index.ts';
import type { ForeignUsage } from './contender.ts';

/** USER_HZ, which Linux shows to programs on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const POLL_MS = 5;
const STDERR_CHARS_MAX = 2_000;

/** Rejects with `file_not_found` when it cannot be started, `bench_failed` when it ends with another code than 0. */
export async function runMeasured(command: string, args: readonly string[]): Promise<ForeignUsage> {
  const ticksBefore = childrenTicks();
  let peakKb: number | undefined;
  await new Promise<void>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const look = (): void => {
      peakKb = (child.pid === undefined ? undefined : peakKbOf(child.pid)) ?? peakKb;
    };
    look();
    const timer = setInterval(look, POLL_MS);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-STDERR_CHARS_MAX);
    });
    child.on('error', (cause) => {
      clearInterval(timer);
      reject(
        new ZkraftError('file_not_found', `${command} cannot be run: ${cause.message}`, { field: 'vs-binary', cause }),
      );
    });
    child.on('close', (code, signal) => {
      clearInterval(timer);
      if (code === 0) resolve();
      else {
        const why = `${command} ended with ${signal ?? `code ${code}`}${said && `: ${said.trim()}`}`;
        reject(new ZkraftError('bench_failed', why, { field: 'vs-binary' }));
      }
    });
  });
  const ticksAfter = childrenTicks();
  return {
    cpuMs:
      ticksBefore === undefined || ticksAfter === undefined
        ? undefined
        : ((ticksAfter - ticksBefore) * 1000) / TICKS_PER_SECOND,
    peakRssMb: peakKb === undefined ? undefined : peakKb / 1024,
  };
}

/** CPU time of the children that were waited for, user and system. */
function childrenTicks(): number | undefined {
  // The second field is the program's name in parentheses and may hold anything, so fields are counted from its end.
  const fields = tryRead('/proc/self/stat')?.split(') ').at(-1)?.split(' ');
  return fields && Number(fields[13]) + Number(fields[14]);
}

function peakKbOf(pid: number): number | undefined {
  const found = /^VmHWM:\s*(\d+) kB/m.exec(tryRead(`/proc/${pid}/status`) ?? '');
  return found ? Number(found[1]) : undefined;
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
