/**
 * Which `pg_dump` and `pg_restore` are at hand.
 *
 * A dump wants a program at least as new as the server, and neither likes one that is newer than need be: what it writes
 * may speak of settings that the older server does not know. So of all that are new enough, the oldest is taken.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ZkraftError } from '../../common/index.ts';
import { systemBinFolders } from '../private-postgres/binaries.ts';

export type ProgramName = 'pg_dump' | 'pg_restore';

export interface PgProgram {
  readonly path: string;
  /** Such as 18.4. */
  readonly version: string;
  readonly major: number;
}

export interface ProgramQuery {
  /** Major version that it must have at least. */
  readonly majorMin: number;
  /** Why: completes "... is needed, for ". */
  readonly because: string;
  /** Look here alone. */
  readonly binDir?: string | undefined;
}

const PROBE_MS = 10_000;

/** Rejects with `postgres_missing`, which names what was found and what to do. */
export async function findProgram(name: ProgramName, query: ProgramQuery): Promise<PgProgram> {
  const { majorMin, because, binDir } = query;
  const folders =
    binDir === undefined ? systemBinFolders([name]) : [binDir].filter((dir) => existsSync(join(dir, name)));
  const found: PgProgram[] = [];
  for (const folder of folders) {
    const program = await probe(join(folder, name));
    if (program !== undefined) found.push(program);
  }
  const fit = found.filter(({ major }) => major >= majorMin).sort((a, b) => a.major - b.major)[0];
  if (fit !== undefined) return fit;
  const others = [...new Set(found.map(({ path, version }) => `${path} is ${version}`))].join(', ');
  const where = binDir === undefined ? 'on this machine' : `in ${binDir}`;
  throw new ZkraftError(
    'postgres_missing',
    `${name} ${majorMin} or newer is needed, for ${because}; ${others === '' ? `there is none ${where}` : others}. ` +
      `Install the client programs of PostgreSQL ${majorMin} (package postgresql-client-${majorMin}), or name their folder: --pg-bin`,
    { field: 'pg-bin' },
  );
}

async function probe(path: string): Promise<PgProgram | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: PROBE_MS });
    const version = /\(PostgreSQL\) ((\d+)[.\d]*)/.exec(stdout);
    if (version?.[1] === undefined) return undefined;
    return { path, version: version[1], major: Number(version[2]) };
  } catch {
    return undefined;
  }
}
