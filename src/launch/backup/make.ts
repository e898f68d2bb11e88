/**
 * A backup in a folder of its own: the database, a node's Raft directory, or both.
 *
 * The Raft directory is held first, so that a node that runs is refused before anything is written; the database is
 * dumped, then the directory is copied: what the database reflects of the log, the log has. The manifest is written last,
 * so whatever cuts this off leaves something that no restore takes. What is interrupted or fails cleans up after itself.
 */
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { diskFailure, makeFolder, VERSION, ZkraftError } from '../../common/index.ts';
import {
  type FolderReport,
  type HeldFolder,
  holdFolder,
  inspectFolder,
  syncDir,
  writeFileDurably,
} from '../../raft/index.ts';
import { type DatabaseOptions, type Dump, dumpDatabase } from '../../store/index.ts';
import { filesBelow, readManifest, sealFile } from './files.ts';
import {
  type BackupFile,
  type DatabasePart,
  DUMP_FILE,
  encodeManifest,
  FORMAT,
  MANIFEST_FILE,
  type Manifest,
  RAFT_FOLDER,
  type RaftPart,
} from './manifest.ts';

export interface BackupOptions {
  readonly to: string;
  /** Undefined: not the database. */
  readonly database: DatabaseOptions | undefined;
  /** Undefined: no Raft directory. */
  readonly raftDir: string | undefined;
  /** Folder of pg_dump. */
  readonly binDir?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

export interface Backup {
  readonly dir: string;
  readonly manifest: Manifest;
  readonly bytes: number;
}

/**
 * Rejects with `file_exists`, `already_running`, `log_corrupt`, `foreign_cluster` (two clusters in one backup),
 * `postgres_missing`, `backup_failed`, `disk_full`, `cancelled`, `database_unavailable`.
 */
export async function makeBackup(options: BackupOptions): Promise<Backup> {
  const dir = resolve(options.to);
  const isNew = await prepare(dir);
  try {
    const manifest = await fill(dir, options);
    return { dir, manifest, bytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0) };
  } catch (error) {
    // It was empty, or was not there: all of it is ours.
    for (const name of isNew ? [] : await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true });
    if (isNew) await rm(dir, { recursive: true, force: true });
    throw diskFailure(error, dir, 'backup_failed');
  }
}

/** True when the folder was made. */
async function prepare(dir: string): Promise<boolean> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new ZkraftError('file_invalid', `--to ${dir} is no folder: ${error.message}`, { field: 'to', cause: error });
  });
  if (names === undefined) {
    await makeFolder(dir, 0o700).catch((error: unknown) => {
      throw diskFailure(error, dir, 'file_invalid');
    });
    return true;
  }
  if (names.length === 0) return false;
  const isWhole = await readManifest(dir).then(
    () => true,
    () => false,
  );
  const remedy = isWhole ? 'it holds a backup; name a new folder' : 'name a new folder, or empty this one';
  throw new ZkraftError('file_exists', `--to ${dir} is not empty: ${remedy}`, { field: 'to' });
}

async function fill(dir: string, options: BackupOptions): Promise<Manifest> {
  const { database, raftDir, signal } = options;
  const startedAt = new Date();
  const held = raftDir === undefined ? undefined : await hold(raftDir);
  let dump: Dump | undefined;
  try {
    if (database !== undefined) dump = await dumpInto(dir, database, options);
    if (held !== undefined) {
      refuseTwoClusters(dump, held.report);
      await copyInto(dir, held, options);
    }
  } finally {
    await held?.release();
  }
  options.onProgress?.(0.9, 'taking checksums');
  const files: BackupFile[] = [];
  for (const path of await filesBelow(dir)) files.push(await sealFile(dir, path, { signal }));
  const manifest: Manifest = {
    format: FORMAT,
    zkraft_version: VERSION,
    started_at: startedAt.toISOString(),
    finished_at: new Date().toISOString(),
    database: dump === undefined ? null : databasePart(dump),
    raft: held === undefined ? null : raftPart(held.report),
    files,
  };
  await syncDir(dir);
  signal?.throwIfAborted();
  await writeFileDurably(join(dir, MANIFEST_FILE), encodeManifest(manifest));
  options.onProgress?.(1, 'done');
  return manifest;
}

async function hold(raftDir: string): Promise<HeldFolder> {
  try {
    return await holdFolder(raftDir);
  } catch (error) {
    if (ZkraftError.from(error).code !== 'already_running') throw error;
    throw new ZkraftError(
      'already_running',
      `a coordinator runs on ${raftDir}: stop it for as long as the backup takes (the others of a cluster go on), or back up ` +
        'the database alone: --only database',
      { field: 'raft-dir', cause: error },
    );
  }
}

async function dumpInto(dir: string, database: DatabaseOptions, options: BackupOptions): Promise<Dump> {
  const { env, binDir, signal, onProgress } = options;
  onProgress?.(0, 'database');
  return await dumpDatabase({
    database,
    file: join(dir, DUMP_FILE),
    env,
    binDir,
    signal,
    onProgress: (written, all) =>
      onProgress?.(0.6 * Math.min(1, written / Math.max(1, all)), `database: ${megabytes(written)}`),
  });
}

async function copyInto(dir: string, held: HeldFolder, { signal, onProgress }: BackupOptions): Promise<void> {
  const copy = join(dir, RAFT_FOLDER);
  await makeFolder(copy, 0o700);
  await held.copyTo(copy, {
    signal,
    onProgress: (copied) =>
      onProgress?.(0.6 + 0.2 * Math.min(1, copied / Math.max(1, held.bytes)), `Raft directory: ${megabytes(copied)}`),
  });
  onProgress?.(0.8, 'reading the copy of the Raft directory');
  // As a node would at its start: every entry, every snapshot.
  const found = await inspectFolder(copy);
  if (JSON.stringify(found) !== JSON.stringify(held.report)) {
    throw new ZkraftError('backup_failed', `the copy in ${copy} is not what it was copied from: look at that disk`);
  }
  for (const name of ['LOCK', 'LOG', 'LOG.old']) await rm(join(copy, 'log', name), { force: true });
  for (const folder of ['log', 'snapshots', '.']) await syncDir(join(copy, folder));
}

function refuseTwoClusters(dump: Dump | undefined, { identity, succeeds }: FolderReport): void {
  const of = dump?.cluster?.clusterId;
  if (of === undefined || of === identity.clusterId || succeeds.includes(of)) return;
  throw new ZkraftError(
    'foreign_cluster',
    `the database belongs to cluster ${of}, and the Raft directory to ${identity.clusterId}: name those of one cluster, or back up each by itself (--only)`,
    { field: 'raft-dir' },
  );
}

const databasePart = (dump: Dump): DatabasePart => ({
  name: dump.name,
  server_version: dump.serverVersion,
  pg_dump_version: dump.programVersion,
  schema_version: dump.schemaVersion,
  cluster_id: dump.cluster?.clusterId ?? null,
  epoch: dump.cluster?.epoch ?? null,
  applied_index: dump.cluster?.cursor ?? null,
  tasks: dump.tasks,
});

const raftPart = ({ identity, hardState, epoch, succeeds, lastIndex, snapshots, peers }: FolderReport): RaftPart => ({
  node: identity.nodeName,
  incarnation: identity.nodeId,
  cluster_id: identity.clusterId,
  epoch,
  succeeds,
  term: hardState.term,
  commit_index: hardState.commit,
  last_index: lastIndex,
  snapshot_index: Math.max(0, ...snapshots.map(({ index }) => index)),
  members: peers.map(({ name, nodeId }) => name || String(nodeId)),
});

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
