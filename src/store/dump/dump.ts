/**
 * A dump of the database, and what the database said of itself at that very moment.
 *
 * One transaction reads the facts and lends its snapshot to `pg_dump`, so that the cursor that is written down is the one
 * that is in the dump, however busy the coordinators are. They are not held up: a dump reads.
 */
import { open } from 'node:fs/promises';
import { diskFailure, ZkraftError } from '../../common/index.ts';
import type { DatabaseOptions } from '../connection.ts';
import { type DatabaseFacts, readFacts, refuseForeignDatabase } from './facts.ts';
import { runProgram } from './program-run.ts';
import { findProgram } from './programs.ts';
import { libpqEnvironment, withSession } from './session.ts';

export interface DumpOptions {
  readonly database: DatabaseOptions;
  /** Made here; it must not be there. In PostgreSQL's custom format. */
  readonly file: string;
  /** Of the programs, beside what names the database. */
  readonly env: NodeJS.ProcessEnv;
  readonly binDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes written so far, and bytes that the database takes on its server: a dump is mostly smaller. */
  readonly onProgress?: (writtenBytes: number, databaseBytes: number) => void;
}

export interface Dump extends DatabaseFacts {
  /** Such as 18.4. */
  readonly programVersion: string;
}

/**
 * Resolves once the file is on disk and `pg_restore` can read its table of contents. Rejects with `postgres_missing`,
 * `schema_outdated`, `backup_failed`, `disk_full`, `cancelled`, `database_unavailable`.
 */
export async function dumpDatabase(options: DumpOptions): Promise<Dump> {
  const { database, binDir, signal } = options;
  return await withSession(database, 'dumping the database', async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows } = await client.query('SELECT pg_export_snapshot() AS snapshot');
    const facts = await readFacts(client);
    refuseForeignDatabase(facts);
    const because = `the server is PostgreSQL ${facts.serverVersion}`;
    const program = await findProgram('pg_dump', { majorMin: facts.serverMajor, because, binDir });
    signal?.throwIfAborted();
    await writeDump(options, program.path, rows[0]?.snapshot as string, facts.bytes);
    await readBack(options, program.major);
    await client.query('COMMIT');
    return { ...facts, programVersion: program.version };
  });
}

async function writeDump(options: DumpOptions, path: string, snapshot: string, databaseBytes: number): Promise<void> {
  const refused = (error: unknown): never => {
    throw diskFailure(error, options.file, 'backup_failed');
  };
  const file = await open(options.file, 'wx', 0o600).catch(refused);
  try {
    const { child, ended } = runProgram({
      path,
      args: ['--format=custom', '--no-password', `--snapshot=${snapshot}`],
      env: libpqEnvironment(options.database, options.env),
      code: 'backup_failed',
      remedy: 'no backup was made',
      signal: options.signal,
    });
    let writtenBytes = 0;
    if (child.stdout === null) throw new ZkraftError('internal', 'pg_dump has no output');
    try {
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        await file.writeFile(chunk);
        writtenBytes += chunk.length;
        options.onProgress?.(writtenBytes, databaseBytes);
      }
    } catch (error) {
      child.kill('SIGKILL');
      await ended.catch(() => {});
      options.signal?.throwIfAborted();
      refused(error);
    }
    await ended;
    await file.sync().catch(refused);
  } finally {
    await file.close().catch(refused);
  }
}

/** A dump that was cut off ends without its data; its table of contents tells. */
async function readBack(options: DumpOptions, majorMin: number): Promise<void> {
  const { file, env, binDir, signal } = options;
  const because = 'the dump is to be read back';
  const { path } = await findProgram('pg_restore', { majorMin, because, binDir });
  const remedy = 'what pg_dump wrote cannot be read back';
  const { child, ended } = runProgram({ path, args: ['--list', file], env, code: 'backup_failed', remedy, signal });
  child.stdout?.resume();
  await ended;
}
