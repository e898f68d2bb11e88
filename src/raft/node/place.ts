/**
 * Where a node lives: its log and its snapshots, and who it is before it has any.
 *
 * An incarnation is minted once for a folder, and written down before it is told to anyone: a folder that is lost takes
 * its id along, and what comes after it is another (rule 8). A folder with a log is never begun anew (rule 7).
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant, makeFolder, ZkraftError } from '../../common/index.ts';
import { writeFileDurably } from '../storage/durable-files.ts';
import {
  createLevelLog,
  type DiskStallWatch,
  FileSnapshotFolder,
  type FreeSpaceGuard,
  holdsLevelLog,
  type LogIdentity,
  type LogStorage,
  openLevelLog,
  SnapshotStore,
} from '../storage/index.ts';
import type { ConfState, NodeId } from '../types.ts';

export interface Incarnation {
  readonly nodeId: NodeId;
  readonly incarnationId: string;
}

export interface OpenPlace {
  readonly log: LogStorage;
  readonly store: SnapshotStore;
}

export interface NodePlace {
  /** For messages. */
  readonly where: string;
  /** `undefined` when nothing was ever begun here. Rejects with `log_corrupt`, `already_running`, `config_invalid`. */
  open(): Promise<OpenPlace | undefined>;
  /** The same each time, until a log is there. */
  incarnation(): Promise<Incarnation>;
  /** Only where there is no log. */
  create(clusterId: string, incarnation: Incarnation, confState: ConfState): Promise<OpenPlace>;
}

const INCARNATION_FILE = 'incarnation.json';
const SNAPSHOTS_FOLDER = 'snapshots';

export interface FolderPlaceOptions {
  readonly dir: string;
  /** Refuses the folder of any other node; without one, nothing can be begun there. */
  readonly nodeName?: string;
  readonly stallWatch: DiskStallWatch;
  readonly freeSpace?: Pick<FreeSpaceGuard, 'admit'>;
}

export class FolderPlace implements NodePlace {
  readonly #options: FolderPlaceOptions;

  constructor(options: FolderPlaceOptions) {
    this.#options = options;
  }

  get where(): string {
    return this.#options.dir;
  }

  async open(): Promise<OpenPlace | undefined> {
    const { dir, nodeName, stallWatch } = this.#options;
    if (!(await holdsLevelLog(dir))) return undefined;
    return this.#withSnapshots(await openLevelLog(dir, { stallWatch, ...(nodeName !== undefined && { nodeName }) }));
  }

  async incarnation(): Promise<Incarnation> {
    const { dir } = this.#options;
    const nodeName = this.#nodeName();
    const path = join(dir, INCARNATION_FILE);
    await makeFolder(dir, 0o700);
    const known = await readFile(path, 'utf8').catch(() => undefined);
    if (known !== undefined) return parse(known, path, nodeName);
    const minted = { nodeName, nodeId: mintNodeId(), incarnationId: randomUUID() };
    await writeFileDurably(path, Buffer.from(`${JSON.stringify(minted, null, 2)}\n`));
    return { nodeId: minted.nodeId, incarnationId: minted.incarnationId };
  }

  async create(clusterId: string, incarnation: Incarnation, confState: ConfState): Promise<OpenPlace> {
    const { dir, stallWatch } = this.#options;
    const { nodeId, incarnationId } = incarnation;
    const identity: LogIdentity = { clusterId, nodeName: this.#nodeName(), nodeId, incarnationId };
    return this.#withSnapshots(await createLevelLog(dir, { identity, confState, stallWatch }));
  }

  #nodeName(): string {
    const { nodeName, dir } = this.#options;
    invariant(nodeName !== undefined, `${dir} was opened to be looked at only`);
    return nodeName;
  }

  async #withSnapshots(log: LogStorage): Promise<OpenPlace> {
    const { dir, freeSpace } = this.#options;
    const { clusterId } = log.identity;
    const store = new SnapshotStore(new FileSnapshotFolder(join(dir, SNAPSHOTS_FOLDER)), {
      clusterId,
      ...(freeSpace && { freeSpace }),
    });
    try {
      await store.open();
    } catch (error) {
      await log.close();
      throw error;
    }
    return { log, store };
  }
}

/** 53 bits, so that it is a safe integer; chance enough that two of one cluster never meet. */
export function mintNodeId(): NodeId {
  const bits = randomBytes(8).readBigUInt64BE() & (2n ** 53n - 1n);
  return Math.max(1, Number(bits));
}

function parse(text: string, path: string, nodeName: string): Incarnation {
  const damaged = (why: string): ZkraftError =>
    new ZkraftError('config_invalid', `${path} ${why}; remove it, and this node gets a new one`, { field: 'raft_dir' });
  let json: Partial<Incarnation & { readonly nodeName: string }>;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged('is no JSON');
  }
  const { nodeId, incarnationId } = json;
  if (!Number.isSafeInteger(nodeId) || typeof incarnationId !== 'string') throw damaged('lacks an id');
  if (json.nodeName !== nodeName) throw damaged(`is of node "${json.nodeName}", and this is "${nodeName}"`);
  return { nodeId: nodeId as NodeId, incarnationId };
}
