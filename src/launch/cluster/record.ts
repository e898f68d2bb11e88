/** `cluster.json` in the cluster's folder: what runs, and where, for those who ask while it runs. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ZkraftError } from '../../common/index.ts';
import type { ProcessKind } from './plan.ts';

export interface ClusterRecord {
  /** Of the process that keeps the others. */
  readonly pid: number;
  readonly gatewayUrl: string;
  readonly databaseUrl: string;
  readonly processes: readonly RecordedProcess[];
}

export interface RecordedProcess {
  readonly name: string;
  readonly kind: ProcessKind;
  readonly url: string;
  readonly logFile: string;
  readonly settingsFile: string;
  /** Undefined while it is down. */
  readonly pid?: number;
}

const fileIn = (dir: string): string => join(dir, 'cluster.json');

/** The owner's alone: the database's URL is in it. Whoever reads sees the old one or the new one. */
export function writeRecord(dir: string, record: ClusterRecord): void {
  const temporary = `${fileIn(dir)}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, fileIn(dir));
}

export function removeRecord(dir: string): void {
  rmSync(fileIn(dir), { force: true });
}

/** What was written last, whether or not it runs. Throws `config_invalid` when it cannot be read. */
export function lastRecord(dir: string): ClusterRecord | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(dir), 'utf8')) as ClusterRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ZkraftError('config_invalid', `${fileIn(dir)} cannot be read (${(error as Error).message}); remove it`, {
      field: 'dir',
    });
  }
}

/** Undefined when whoever keeps the cluster is gone. */
export function readRecord(dir: string): ClusterRecord | undefined {
  const record = lastRecord(dir);
  return record !== undefined && isKept(record) ? record : undefined;
}

/** Whoever wrote it still runs: its pid may be another's by now, after a crash of the machine. */
export function isKept({ pid }: ClusterRecord): boolean {
  if (!isAlive(pid)) return false;
  const commandLine = commandLineOf(pid);
  return commandLine === '' || /\0cluster\0up(\0|$)/.test(commandLine);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Processes that outlived whoever kept them. A pid may be another's by now, so the command line must be ours. */
export function orphansOf(record: ClusterRecord): number[] {
  return record.processes.flatMap(({ pid, settingsFile }) =>
    pid !== undefined && isAlive(pid) && commandLineOf(pid).includes(settingsFile) ? [pid] : [],
  );
}

/** '' where there is no /proc. */
function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
