/** `cluster.json` in the cluster's folder: what runs, and where, for those who ask while it runs. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** The owner's alone: the database's URL is in it. */
export function writeRecord(dir: string, record: ClusterRecord): void {
  writeFileSync(fileIn(dir), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
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
  return record !== undefined && isAlive(record.pid) ? record : undefined;
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
