/**
 * Ends a server that an earlier run left behind, before a new one is started on the same data.
 *
 * After `kill -9` of zkraft its PostgreSQL may still run, be on its way down, or have left a pid file whose number now
 * belongs to somebody else, against which PostgreSQL would refuse to start. On Linux a server is recognised by its
 * working folder, which is always its data folder; elsewhere by its command line.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkraftError } from '../../common/index.ts';

const FAST_STOP_MS = 5_000;
const IMMEDIATE_STOP_MS = 3_000;
const KILL_MS = 3_000;
const POLL_MS = 25;

/** Number in the first line of postmaster.pid, which stands while a server runs or after it was killed. */
export function readPostmasterPid(data: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0] ?? '', 10);
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Pids of all server processes that work in `data`, zombies not counted. */
export function serverProcesses(data: string): number[] {
  let folder: string;
  try {
    folder = realpathSync(data);
  } catch {
    return [];
  }
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry) && workingFolder(entry) === folder)
      .map(Number);
  }
  const pid = readPostmasterPid(data);
  return pid !== undefined && commandLine(pid).includes('postgres') ? [pid] : [];
}

function workingFolder(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: 'pipe',
    });
  } catch {
    return '';
  }
}

/** Stops whatever still serves `data` (fast, then immediate, then by force) and removes a pid file that lies. */
export async function endLeftover(data: string): Promise<'none' | 'stopped'> {
  const outcome = await stopServer(data);
  // With no server left, the file could only name a stranger. PostgreSQL's own check would take him for a server.
  if (readPostmasterPid(data) !== undefined) rmSync(join(data, 'postmaster.pid'), { force: true });
  return outcome;
}

async function stopServer(data: string): Promise<'none' | 'stopped'> {
  let alive = serverProcesses(data);
  if (alive.length === 0) return 'none';
  const postmaster = readPostmasterPid(data);
  if (postmaster !== undefined && alive.includes(postmaster)) {
    // A stopped process (SIGSTOP) hears nothing but SIGKILL until it is continued.
    signalAll([postmaster], 'SIGCONT');
    signalAll([postmaster], 'SIGINT');
    if (await goneWithin(data, FAST_STOP_MS)) return 'stopped';
    signalAll([postmaster], 'SIGQUIT');
    if (await goneWithin(data, IMMEDIATE_STOP_MS)) return 'stopped';
  }
  alive = serverProcesses(data);
  signalAll(alive, 'SIGKILL');
  if (await goneWithin(data, KILL_MS)) return 'stopped';
  throw new ZkraftError(
    'already_running',
    `a PostgreSQL of an earlier run still works in ${data} and cannot be stopped (pid ${serverProcesses(data).join(', ')}): stop it, then try again`,
    { field: 'data_dir' },
  );
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // Gone already, or not ours to end: the wait that follows tells.
    }
  }
}

async function goneWithin(data: string, limitMs: number): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (serverProcesses(data).length > 0) {
    if (Date.now() >= end) return false;
    await sleep(POLL_MS);
  }
  return true;
}
