/**
 * A backup put back: verified first, then refused or done.
 *
 * In this order: every file of the backup is read and compared; what is to be restored into is looked at; the Raft
 * directory is made beside its place and read as a node would at its start; the database is restored in one
 * transaction; the directory takes its place by renames. Until the database's transaction commits nothing is changed.
 *
 * A node of several comes back only as a new cluster of its own. Under its old identity it would have forgotten votes it
 * gave and entries it acknowledged since, and could undo with them what the others committed.
 */
import { copyFile, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { diskFailure, makeFolder, ZkraftError } from '../../common/index.ts';
import { holdFolder, inspectFolder, type Recovered, recoverFolder, swapFolder } from '../../raft/index.ts';
import {
  type DatabaseFacts,
  type DatabaseOptions,
  findRestoreProgram,
  inspectTarget,
  restoreDatabase,
} from '../../store/index.ts';
import { filesBelow, readManifest, sealFile, verifyFiles } from './files.ts';
import { type DatabasePart, DUMP_FILE, type Manifest, RAFT_FOLDER, type RaftPart } from './manifest.ts';

export interface RestoreBackupOptions {
  readonly from: string;
  /** Undefined: all that the backup holds. */
  readonly only: 'database' | 'raft' | undefined;
  readonly database: DatabaseOptions;
  /** Where the Raft directory goes. */
  readonly raftDir: string | undefined;
  /** Name of the database that may hold something, and is replaced. */
  readonly replaceDatabase?: string | undefined;
  /** The Raft directory that may hold something, which is moved aside. */
  readonly replaceRaftDir?: string | undefined;
  /** That the operator knows what it means to make a new cluster of the node. */
  readonly forceNewCluster: boolean;
  /** Folder of pg_restore. */
  readonly binDir?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

export interface RestoredBackup {
  readonly manifest: Manifest;
  /** As it is now; undefined when it was not restored. */
  readonly database: DatabaseFacts | undefined;
  readonly raft:
    | {
        readonly dir: string;
        /** Where what was there before is. */
        readonly keptIn: string | undefined;
        /** When it is a new cluster. */
        readonly recovered: Recovered | undefined;
      }
    | undefined;
}

const STAGING = 'restore-new';
/** Of file systems. */
const NOT_CONTENT = new Set([STAGING, 'lost+found']);

/**
 * Rejects with `backup_invalid`, `usage`, `target_not_empty`, `already_running`, `postgres_missing`, `restore_failed`,
 * `disk_full`, `cancelled`, `database_unavailable`.
 */
export async function restoreBackup(options: RestoreBackupOptions): Promise<RestoredBackup> {
  const { signal, onProgress } = options;
  const from = resolve(options.from);
  const manifest = await readManifest(from);
  const all = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  let read = 0;
  const onBytes = (bytes: number): void => {
    read += bytes;
    onProgress?.((0.3 * read) / Math.max(1, all), 'verifying the backup');
  };
  await verifyFiles(from, manifest.files, { signal, onBytes });
  const parts = partsOf(manifest, options);
  if (parts.database !== undefined) await checkDatabase(parts.database, options);
  const place = parts.raft && (await checkRaftDir(options));
  const recovered = place && (await stage(from, manifest, place, options));
  let database: DatabaseFacts | undefined;
  try {
    signal?.throwIfAborted();
    onProgress?.(0.5, 'restoring the database');
    database = parts.database && (await putDatabase(from, parts.database, options));
  } catch (error) {
    if (place !== undefined) await unstage(place);
    throw error;
  }
  onProgress?.(0.95, 'putting the Raft directory in its place');
  const keptIn = place && (await putRaftDir(place, database !== undefined));
  onProgress?.(1, 'done');
  return { manifest, database, raft: place && { dir: place.dir, keptIn, recovered } };
}

/** Gives where what was there before is. */
async function putRaftDir({ dir, holds }: Place, isDatabaseDone: boolean): Promise<string | undefined> {
  const keptIn = holds ? join(dir, `before-restore-${new Date().toISOString().replace(/[:.]/g, '-')}`) : undefined;
  // Whatever starts coordinators may have started one since.
  if (holds) await refuseRunning(dir);
  try {
    await swapFolder(dir, join(dir, STAGING), keptIn);
  } catch (error) {
    const more = isDatabaseDone ? '. The database is restored; repeat with --only raft' : '';
    const why = `the Raft directory was not put in its place: ${(error as Error).message}${more}`;
    throw new ZkraftError('restore_failed', why, { field: 'raft-dir', cause: error });
  }
  return keptIn;
}

interface Parts {
  readonly database: DatabasePart | undefined;
  readonly raft: RaftPart | undefined;
}

/** What is asked for. Throws `usage` when the backup does not hold it, or it is not said where it goes. */
function partsOf(manifest: Manifest, { only, raftDir, forceNewCluster }: RestoreBackupOptions): Parts {
  const database = only === 'raft' ? undefined : (manifest.database ?? undefined);
  const raft = only === 'database' ? undefined : (manifest.raft ?? undefined);
  const refuse = (why: string, field: string): ZkraftError => new ZkraftError('usage', why, { field });
  if (only === 'database' && database === undefined) throw refuse('this backup holds no database', 'only');
  if (only === 'raft' && raft === undefined) throw refuse('this backup holds no Raft directory', 'only');
  if (raft === undefined) return { database, raft };
  if (raftDir === undefined) {
    throw refuse(
      'it holds a Raft directory: name where that goes, --raft-dir, or leave it: --only database',
      'raft-dir',
    );
  }
  if (forceNewCluster) return { database, raft };
  const { node, members } = raft;
  if (members.length > 1) {
    throw refuse(
      `${node} was one of ${members.length} (${members.join(', ')}). As it was then it must not come back among them: it ` +
        'has forgotten votes and entries since. If a majority of them lives, do not restore it: remove it, and let it join ' +
        'with an empty folder. If all are lost, repeat with --force-new-cluster: it becomes a cluster of its own, to ' +
        'which the others are added anew',
      'force-new-cluster',
    );
  }
  const reflected = database?.applied_index ?? 0;
  if (reflected > raft.last_index) {
    throw refuse(
      `its database reflects the log up to entry ${reflected}, and its Raft directory ends at ${raft.last_index}: it is ` +
        'an older copy. Repeat with --force-new-cluster, and the database is taken over as it is',
      'force-new-cluster',
    );
  }
  return { database, raft };
}

async function checkDatabase(
  { server_version, pg_dump_version, schema_version }: DatabasePart,
  options: RestoreBackupOptions,
): Promise<void> {
  await findRestoreProgram(majorOf(pg_dump_version), options.binDir);
  const found = await inspectTarget(options.database);
  const { name, serverMajor, schemaVersion, isEmpty, sessions } = found;
  if (serverMajor < majorOf(server_version)) {
    throw new ZkraftError(
      'restore_failed',
      `the dump is of PostgreSQL ${server_version}, and this server is ${found.serverVersion}: it goes to the same or a newer one. Nothing was touched`,
      { field: 'database' },
    );
  }
  if (sessions > 0) {
    throw new ZkraftError(
      'already_running',
      `coordinators or gateways have ${sessions} sessions in the database ${name}: stop them first`,
      { field: 'database' },
    );
  }
  const { replaceDatabase } = options;
  if (replaceDatabase !== undefined && replaceDatabase !== name) {
    throw new ZkraftError(
      'usage',
      `--replace-database ${replaceDatabase}, but the settings name the database ${name}`,
      {
        field: 'replace-database',
      },
    );
  }
  if (isEmpty) return;
  if (replaceDatabase === undefined) {
    throw new ZkraftError(
      'target_not_empty',
      `the database ${name} is not empty: name an empty one, or say that it is to be replaced: --replace-database ${name}`,
      { field: 'replace-database' },
    );
  }
  if (schemaVersion === 0) {
    throw new ZkraftError(
      'target_not_empty',
      `the database ${name} holds tables that are not of zkraft, and is not replaced; name an empty one`,
      { field: 'replace-database' },
    );
  }
  if (schemaVersion > schema_version) {
    throw new ZkraftError(
      'target_not_empty',
      `the database ${name} has schema ${schemaVersion}, and the backup ${schema_version}: what came since would stay or be in the way. Name an empty database`,
      { field: 'replace-database' },
    );
  }
}

async function putDatabase(from: string, part: DatabasePart, options: RestoreBackupOptions): Promise<DatabaseFacts> {
  const { database, replaceDatabase, binDir, env, signal } = options;
  const facts = await restoreDatabase({
    database,
    file: join(from, DUMP_FILE),
    programMajor: majorOf(part.pg_dump_version),
    replace: replaceDatabase !== undefined,
    binDir,
    env,
    signal,
  });
  const found = JSON.stringify([facts.schemaVersion, facts.cluster?.cursor ?? null, facts.tasks]);
  if (found === JSON.stringify([part.schema_version, part.applied_index, part.tasks])) return facts;
  throw new ZkraftError(
    'restore_failed',
    `the database ${facts.name} was restored, but is not what was dumped: ${found}`,
  );
}

interface Place {
  readonly dir: string;
  /** It is made for this. */
  readonly isNew: boolean;
  /** It holds something, which is moved aside. */
  readonly holds: boolean;
}

async function checkRaftDir({ raftDir, replaceRaftDir }: RestoreBackupOptions): Promise<Place> {
  const dir = resolve(raftDir ?? '');
  if (replaceRaftDir !== undefined && resolve(replaceRaftDir) !== dir) {
    throw new ZkraftError('usage', `--replace-raft-dir ${replaceRaftDir}, but the Raft directory is ${dir}`, {
      field: 'replace-raft-dir',
    });
  }
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new ZkraftError('file_invalid', `--raft-dir ${dir} is no folder: ${error.message}`, { field: 'raft-dir' });
  });
  if (names === undefined) return { dir, isNew: true, holds: false };
  if (names.every((name) => NOT_CONTENT.has(name))) return { dir, isNew: false, holds: false };
  if (replaceRaftDir === undefined) {
    throw new ZkraftError(
      'target_not_empty',
      `${dir} is not empty: name an empty folder, or say that what it holds is to be moved aside: --replace-raft-dir ${dir}`,
      { field: 'replace-raft-dir' },
    );
  }
  await refuseRunning(dir);
  return { dir, isNew: false, holds: true };
}

async function refuseRunning(dir: string): Promise<void> {
  try {
    await (await holdFolder(dir)).release();
  } catch (error) {
    // A log that is damaged, or none: that may be why there is a restore.
    if (ZkraftError.from(error).code === 'already_running') {
      throw new ZkraftError('already_running', `a coordinator runs on ${dir}: stop it first`, {
        field: 'raft-dir',
        cause: error,
      });
    }
  }
}

/** The directory of the backup beside its place, whole and read in full; gives what a recovery made of it. */
async function stage(
  from: string,
  { files }: Manifest,
  place: Place,
  { forceNewCluster, signal, onProgress }: RestoreBackupOptions,
): Promise<Recovered | undefined> {
  const fresh = join(place.dir, STAGING);
  onProgress?.(0.3, 'copying the Raft directory');
  try {
    await makeFolder(place.dir, 0o700);
    await rm(fresh, { recursive: true, force: true });
    for (const { path } of files) {
      if (!path.startsWith(`${RAFT_FOLDER}/`)) continue;
      signal?.throwIfAborted();
      const to = join(fresh, path.slice(RAFT_FOLDER.length + 1));
      await mkdir(dirname(to), { recursive: true, mode: 0o700 });
      await copyFile(join(from, path), to);
    }
    onProgress?.(0.4, 'reading the Raft directory');
    await inspectFolder(fresh);
    const recovered = forceNewCluster ? await recoverFolder({ dir: fresh, consent: true }) : undefined;
    // What it was before is in the backup.
    if (recovered !== undefined) await rm(recovered.backup, { recursive: true });
    for (const path of await filesBelow(fresh)) await sealFile(fresh, path);
    return recovered;
  } catch (error) {
    await unstage(place);
    throw diskFailure(error, fresh, 'restore_failed');
  }
}

async function unstage({ dir, isNew }: Place): Promise<void> {
  await rm(join(dir, STAGING), { recursive: true, force: true });
  // Unless somebody has put something there meanwhile.
  if (isNew) await rmdir(dir).catch(() => {});
}

const majorOf = (version: string): number => Number.parseInt(version, 10);
