/**
 * One process at a time in a folder, by a lock file that names its holder.
 *
 * Node has no flock(2). The file holds the holder's pid and when that process was born (boot id and start time from
 * /proc), so that a pid which was given to another process since is not taken for the holder. A file whose holder is
 * gone is moved away by rename, which only one of several takers can win.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkraftError } from '../../common/index.ts';

export const LOCK_FILE = 'postgres.lock';
const ATTEMPTS_MAX = 40;
const RETRY_MS = 25;

export interface DirLock {
  release(): void;
}

/** Takes the folder. `already_running` when a live process holds it. */
export async function lockDir(dir: string): Promise<DirLock> {
  const path = join(dir, LOCK_FILE);
  const mine = JSON.stringify({ pid: process.pid, born: bornAt(process.pid), token: randomUUID() });
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (createExclusively(path, mine)) return { release: () => releaseIfMine(path, mine) };
    const seen = readText(path);
    const holder = seen === undefined ? undefined : parseHolder(seen);
    if (holder && isAlive(holder)) {
      throw new ZkraftError(
        'already_running',
        `${dir} is in use by process ${holder.pid}: stop that one, or choose another data folder`,
        { field: 'data_dir' },
      );
    }
    // An empty file may be one that its maker has not filled yet: give it a moment before it counts as debris.
    if (seen !== undefined && (holder || attempt >= ATTEMPTS_MAX / 2)) moveAway(path, seen);
    else await sleep(RETRY_MS);
  }
  throw new ZkraftError('already_running', `${path} could not be taken: remove it if no zkraft runs in this folder`, {
    field: 'data_dir',
  });
}

function createExclusively(path: string, text: string): boolean {
  try {
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new ZkraftError('postgres_failed', `${path} cannot be written: ${(error as Error).message}`, {
      field: 'data_dir',
      cause: error,
    });
  }
}

function moveAway(path: string, seen: string): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // Another taker was faster.
  }
  // Between our look and our rename another taker may have made a live lock: put that one back.
  const moved = readText(aside);
  if (moved !== undefined && moved !== seen) createExclusively(path, moved);
  rmSync(aside, { force: true });
}

function releaseIfMine(path: string, mine: string): void {
  if (readText(path) === mine) rmSync(path, { force: true });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

interface Holder {
  readonly pid: number;
  readonly born: string | undefined;
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, born } = JSON.parse(text) as { pid?: unknown; born?: unknown };
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
    return { pid, born: typeof born === 'string' ? born : undefined };
  } catch {
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const born = bornAt(holder.pid);
  return born === undefined || holder.born === undefined || born === holder.born;
}

/** Boot id and start time in clock ticks; undefined where there is no /proc. */
function bornAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Field 22; the second field is the command in parentheses and may itself hold blanks and parentheses.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${startTime}`;
  } catch {
    return undefined;
  }
}
