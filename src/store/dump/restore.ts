/**
 * A dump back into a database: looked at first, then in one transaction.
 *
 * Until that transaction commits nobody sees any of it, and when it fails nothing is changed. Afterwards the planner's
 * statistics are gathered: without them the first queries of a coordinator could run into their timeout.
 */
import { ZkraftError } from '../../common/index.ts';
import type { DatabaseOptions } from '../connection.ts';
import { type DatabaseFacts, readFacts } from './facts.ts';
import { runProgram } from './program-run.ts';
import { findProgram } from './programs.ts';
import { DUMP_SESSION, libpqEnvironment, withSession } from './session.ts';

export interface TargetFacts extends DatabaseFacts {
  /** No tables, views or sequences of anybody, but those of extensions. */
  readonly isEmpty: boolean;
  /** What coordinators and gateways have open in it. */
  readonly sessions: number;
}

const RELATIONS = `
SELECT count(*) AS relations FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`;

const SESSIONS = `
SELECT count(*) AS sessions FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'zkraft%' AND application_name <> $1`;

/** What a dump would be restored into. Rejects with `database_unavailable`. */
export async function inspectTarget(database: DatabaseOptions): Promise<TargetFacts> {
  return await withSession(database, 'looking at the database', async (client) => {
    const relations = await client.query(RELATIONS);
    const sessions = await client.query(SESSIONS, [DUMP_SESSION]);
    return {
      ...(await readFacts(client)),
      isEmpty: Number(relations.rows[0]?.relations) === 0,
      sessions: Number(sessions.rows[0]?.sessions),
    };
  });
}

export interface RestoreOptions {
  readonly database: DatabaseOptions;
  readonly file: string;
  /** Major version of the `pg_dump` that wrote the file. */
  readonly programMajor: number;
  /** Drop what is there and is in the dump as well, in the same transaction. */
  readonly replace: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly binDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The `pg_restore` that `restoreDatabase` will run. Rejects with `postgres_missing`. */
export const findRestoreProgram = (programMajor: number, binDir: string | undefined) =>
  findProgram('pg_restore', { majorMin: programMajor, because: `pg_dump ${programMajor} wrote the dump`, binDir });

/** Resolves with what the database says of itself then. Rejects with `restore_failed` (rolled back), `cancelled`. */
export async function restoreDatabase(options: RestoreOptions): Promise<DatabaseFacts> {
  const { database, file, programMajor, replace, binDir, signal } = options;
  const program = await findRestoreProgram(programMajor, binDir);
  const env = libpqEnvironment(database, options.env);
  if (env.PGDATABASE === undefined) throw new ZkraftError('config_invalid', 'no database is named: set DATABASE_URL');
  const { child, ended } = runProgram({
    path: program.path,
    args: [
      ...['--single-transaction', '--exit-on-error', '--no-owner', '--no-privileges', '--no-password'],
      ...(replace ? ['--clean', '--if-exists'] : []),
      `--dbname=dbname='${env.PGDATABASE.replaceAll(/['\\]/g, '\\$&')}'`,
      file,
    ],
    env,
    code: 'restore_failed',
    remedy: 'the database is as it was before, for all of it is one transaction',
    signal,
  });
  child.stdout?.resume();
  await ended;
  return await withSession(database, 'looking at the restored database', async (client) => {
    await client.query('ANALYZE');
    return await readFacts(client);
  });
}
