/** Places to keep a log, for tests that ask the same of all: a folder with LevelDB, and the simulated disk. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { ZkraftError } from '../../../src/common/index.ts';
import {
  type CreateLogOptions,
  createLog,
  type LogStorage,
  type OpenLogOptions,
  openLog,
  SimulatedDisk,
} from '../../../src/raft/index.ts';
import { LevelDisk } from '../../../src/raft/storage/level-disk.ts';
import type { ConfState, Entry, EntryType } from '../../../src/raft/types.ts';
import { IDENTITY } from './log-identity.ts';

export { IDENTITY };

export const CONF: ConfState = {
  voters: [1, 2, 3],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export interface LogBed {
  create(options?: Partial<CreateLogOptions>): Promise<LogStorage>;
  open(options?: OpenLogOptions): Promise<LogStorage>;
}

const dirs: string[] = [];
after(async () => {
  for (const dir of dirs) await rm(dir, { recursive: true, force: true });
});

export async function freshDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'zkraft-raft-'));
  dirs.push(dir);
  return dir;
}

export const LOG_BEDS: Readonly<Record<string, () => Promise<LogBed>>> = {
  'on LevelDB': async () => {
    const dir = await freshDir();
    return {
      create: (options) => createLog(new LevelDisk(dir), { identity: IDENTITY, confState: CONF, ...options }),
      open: (options) => openLog(new LevelDisk(dir), options),
    };
  },
  'on the simulated disk': async () => {
    const disk = new SimulatedDisk({ autoSync: true });
    return {
      create: (options) => createLog(disk, { identity: IDENTITY, confState: CONF, ...options }),
      open: (options) => openLog(disk, options),
    };
  },
};

export const hasCode =
  (code: string, says?: RegExp) =>
  (error: unknown): boolean =>
    error instanceof ZkraftError && error.code === code && (says === undefined || says.test(error.message));

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const entry = (index: number, term: number, text = `entry ${index}`, type: EntryType = 'normal'): Entry => ({
  index,
  term,
  type,
  data: bytes(text),
});

/** Entries `from` to `to`, all of one term. */
export const run = (from: number, to: number, term: number, text = 'entry'): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term, `${text} ${from + i}`));

/** All that can be read, as text. */
export const textOf = (log: LogStorage): string[] =>
  (log.entries(log.firstIndex(), log.lastIndex() + 1, Number.MAX_SAFE_INTEGER) ?? []).map(
    ({ index, term, type, data }) => `${index}/${term} ${type} ${new TextDecoder().decode(data)}`,
  );
