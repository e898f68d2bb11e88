/**
 * Ways to a log: `createLog` makes one, once; `openLog` opens what is there and checks all of it.
 *
 * Making is an explicit, idempotent act: again, with the same identity, it opens what the first call made. The identity
 * is written last, so that a folder without one either was never acknowledged to anyone, or is damaged.
 */
import { ZkraftError } from '../../common/index.ts';
import { type ConfState, EMPTY_CONF_STATE, EMPTY_HARD_STATE, type SnapshotMetadata } from '../types.ts';
import { ENTRY_RANGE, encodeRecord, FIRST_DIGEST, HEAD_KEY, LINK_RANGE, linkKey, nextHead } from './batch-record.ts';
import { damaged, OF_THE_SYSTEM, readLog } from './boot.ts';
import type { Disk } from './disk.ts';
import { DurableLog, type DurableLogOptions, writeMarks } from './durable-log.ts';
import { checkIdentity, decodeIdentity, encodeIdentity, IDENTITY_FILE } from './identity.ts';
import type { LogIdentity, LogStorage } from './log-storage.ts';
import { LogTail } from './log-tail.ts';

/** 640,000 entries of a hundred bytes. */
export const RESIDENT_BYTES_MAX = 64 * 1024 * 1024;

export interface CreateLogOptions extends DurableLogOptions {
  readonly identity: LogIdentity;
  /** The configuration that the cluster begins with; empty for a node that joins. */
  readonly confState?: ConfState;
}

export interface OpenLogOptions extends DurableLogOptions {
  /** Refuse the log of any other node. */
  readonly nodeName?: string;
}

/**
 * Rejects with `already_running`, `log_corrupt`, `log_write_failed`, `config_invalid` when there is no log or it is
 * another node's.
 * The log has the disk from then on, until it is closed.
 */
export async function openLog(disk: Disk, options: OpenLogOptions = {}): Promise<LogStorage> {
  const identity = await readIdentity(disk);
  if (identity === undefined) {
    if (!(await disk.isEmpty())) {
      throw damaged(disk.where, new ZkraftError('log_corrupt', `${IDENTITY_FILE} is missing, but there is a log`));
    }
    throw new ZkraftError(
      'config_invalid',
      `${disk.where} holds no log; begin a new cluster (bootstrap), or join one, or name the directory of the existing log`,
      { field: 'raft_dir' },
    );
  }
  if (options.nodeName !== undefined && options.nodeName !== identity.nodeName) {
    throw new ZkraftError(
      'config_invalid',
      `this node is "${options.nodeName}", but ${disk.where} belongs to "${identity.nodeName}"; set the name back, or ` +
        'name another raft directory',
      { field: 'node_name' },
    );
  }
  try {
    await disk.open(false);
  } catch (error) {
    throw damaged(disk.where, error);
  }
  try {
    const tail = new LogTail(options.residentBytesMax ?? RESIDENT_BYTES_MAX);
    const head = await readLog(disk, identity, tail);
    // No longer closed; synced before the first batch can make the old mark a lie.
    await written(disk, writeMarks(disk, head, false));
    return new DurableLog(disk, identity, head, tail, options);
  } catch (error) {
    await disk.close();
    throw damaged(disk.where, error);
  }
}

/** Makes the log unless the same one is there already. `config_invalid` when the place holds another. */
export async function createLog(disk: Disk, options: CreateLogOptions): Promise<LogStorage> {
  const { identity, confState } = options;
  checkIdentity(identity);
  const known = await readIdentity(disk);
  if (known === undefined) await make(disk, identity, confState ?? EMPTY_CONF_STATE);
  else if (encodeIdentity(known).toString() !== encodeIdentity(identity).toString()) {
    throw new ZkraftError(
      'config_invalid',
      `${disk.where} already holds the log of node "${known.nodeName}" (${known.nodeId}) of cluster ${known.clusterId}; ` +
        'it is never overwritten. Start that node, or name an empty directory',
      { field: 'raft_dir' },
    );
  }
  return await openLog(disk, options);
}

/** A write that fails says nothing of what is there already: the disk failed, and the log is not damaged. */
async function written(disk: Disk, write: Promise<void>): Promise<void> {
  await write.catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    if (OF_THE_SYSTEM.test(reason)) throw error;
    throw new ZkraftError(
      'log_write_failed',
      `a write to the replicated log in ${disk.where} failed (${reason}); look at the disk, then start this node again`,
      { cause: error },
    );
  });
}

async function readIdentity(disk: Disk): Promise<LogIdentity | undefined> {
  try {
    const bytes = await disk.readFile(IDENTITY_FILE);
    return bytes === undefined ? undefined : decodeIdentity(bytes);
  } catch (error) {
    throw damaged(disk.where, error);
  }
}

/**
 * False where nothing was ever begun, or where a making was cut off before anybody could rely on it: then `createLog` may
 * be called (again). Rejects as `openLog` does.
 */
export async function holdsLog(disk: Disk): Promise<boolean> {
  if ((await readIdentity(disk)) !== undefined) return true;
  if (await disk.isEmpty()) return false;
  try {
    await disk.open(true);
    try {
      await refuseMoreThanFirstBatch(disk);
    } finally {
      await disk.close();
    }
  } catch (error) {
    throw damaged(disk.where, error);
  }
  return false;
}

/** Without an identity, the first batch may be there from a making that was cut off; nothing was acknowledged then. */
async function refuseMoreThanFirstBatch(disk: Disk): Promise<void> {
  for (const range of [ENTRY_RANGE, LINK_RANGE]) {
    for await (const [key] of disk.scan(range)) {
      if (key !== linkKey(1)) throw new ZkraftError('log_corrupt', `${IDENTITY_FILE} is missing, but there is a log`);
    }
  }
}

async function make(disk: Disk, identity: LogIdentity, confState: ConfState): Promise<void> {
  await disk.open(true);
  try {
    await refuseMoreThanFirstBatch(disk);
    const first: SnapshotMetadata = { index: 0, term: 0, confState };
    const origin = { sequence: 0, digest: FIRST_DIGEST };
    const made = nextHead(origin, identity, {
      hardState: EMPTY_HARD_STATE,
      baseIndex: 0,
      baseTerm: 0,
      baseCrc: 0,
      lastIndex: 0,
      lastCrc: 0,
      snapshots: [first],
    });
    const firstBatch = disk.write([
      { key: HEAD_KEY, value: encodeRecord(made.head) },
      { key: linkKey(1), value: encodeRecord(made.link) },
    ]);
    await written(disk, firstBatch);
    await written(disk, writeMarks(disk, made.head, false));
    await written(disk, disk.writeFile(IDENTITY_FILE, encodeIdentity(identity)));
  } catch (error) {
    throw damaged(disk.where, error);
  } finally {
    await disk.close();
  }
}
