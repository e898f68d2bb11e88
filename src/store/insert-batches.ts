/**
 * New tasks, written together: what is submitted while one statement runs goes into the next.
 *
 * A statement costs a good part of what all its rows do: its plan, its commit with an fsync, its notification. The first
 * task after a quiet moment is written at once; under load a statement begins every `GATHER_MS` at most. One statement
 * is whole or not at all, so when it fails for another reason than the database being away each of its tasks is tried
 * alone: none fails for what is wrong with its neighbour.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fromHex, sha256, toHex, ZkraftError } from '../common/index.ts';
import type { Database, Row, Run } from './database.ts';
import { TASK_COLUMNS, treeId } from './task-rows.ts';
import type { NewTask } from './types.ts';

/** A task, and the id that it gets if it is new. */
export interface IdentifiedTask {
  readonly id: string;
  readonly task: NewTask;
}

const GATHER_MS = 8;
const ROWS_MAX = 64;
/** Of leaves in one statement. */
const BYTES_MAX = 1024 * 1024;
const WAITING_MAX = 1_000;

/** Prepared once a connection: parsing it costs a third of what one row does. It reads no table, so its plan never ages. */
const NAME = 'insert-tasks';

/** In the order of their keys, so that two statements with the same ones wait for each other, and never both ways. */
const INSERT = `
WITH leaves AS (
  SELECT * FROM unnest($1::bytea[], $2::bytea[]) AS given (digest, content) ORDER BY digest
), blob AS (
  INSERT INTO blobs (digest, bytes, complete) SELECT digest, octet_length(content), true FROM leaves
  ON CONFLICT (digest) DO UPDATE SET complete = true WHERE NOT blobs.complete
), chunk AS (
  INSERT INTO blob_chunks (digest, seq, content) SELECT digest, 0, content FROM leaves ON CONFLICT DO NOTHING
), tree AS (
  INSERT INTO trees (id, depth, leaf_count, leaves_digest, root)
  SELECT * FROM unnest($3::bytea[], $4::smallint[], $5::integer[], $6::bytea[], $7::bytea[])
    AS given (id, depth, leaf_count, leaves_digest, root) ORDER BY id
  ON CONFLICT DO NOTHING
), given AS (
  SELECT * FROM unnest($8::uuid[], $9::text[], $10::bytea[], $11::boolean[], $12::text[], $13::bytea[], $14::bytea[],
                       $15::smallint[], $16::bytea[], $17::bigint[], $18::bytea[], $19::smallint[], $20::text[], $21::text[])
    AS row (id, owner, content_hash, fresh, circuit_id, circuit_digest, tree_id, depth, root, leaf_index, external_hash,
            priority, request_id, key_id)
), task AS (
  INSERT INTO tasks (id, owner, content_hash, fresh, circuit_id, circuit_digest, tree_id, depth, root, leaf_index,
                     external_hash, priority, request_id)
  SELECT id, owner, content_hash, fresh, circuit_id, circuit_digest, tree_id, depth, root, leaf_index, external_hash,
         priority, request_id
  FROM given ORDER BY owner, content_hash
  ON CONFLICT (owner, content_hash) WHERE status NOT IN ('failed', 'cancelled') AND NOT fresh DO NOTHING
  RETURNING ${TASK_COLUMNS}
), noted AS (
  INSERT INTO audit (actor, action, target, request_id, detail)
  SELECT task.owner, 'task.submit', task.id::text, task.request_id,
         jsonb_strip_nulls(jsonb_build_object('circuit_id', task.circuit_id, 'key_id', given.key_id))
  FROM task JOIN given USING (id)
)
SELECT * FROM task`;

/** Inserts in one statement; resolves with the rows that are new, by id. The others have an equal task before them. */
export async function insertTasks(given: readonly IdentifiedTask[], run: Run): Promise<ReadonlyMap<string, Row>> {
  const rows = await run(INSERT, columnsOf(given), NAME);
  return new Map(rows.map((row) => [row.id as string, row]));
}

function columnsOf(given: readonly IdentifiedTask[]): unknown[][] {
  const blobs = new Map<string, Uint8Array>();
  const trees = new Map<string, { readonly task: NewTask; readonly digest: Uint8Array }>();
  const treeIds = given.map(({ task }) => {
    const id = treeId(task.depth, task.leaves);
    if (!trees.has(id)) {
      const digest = sha256(task.leaves);
      trees.set(id, { task, digest });
      blobs.set(toHex(digest), task.leaves);
    }
    return fromHex(id);
  });
  const ofTree = [...trees.values()];
  const binary = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const of = <T>(read: (task: NewTask) => T): T[] => given.map(({ task }) => read(task));
  return [
    [...blobs.keys()].map((digest) => Buffer.from(digest, 'hex')),
    [...blobs.values()].map(binary),
    [...trees.keys()].map((id) => Buffer.from(id, 'hex')),
    ofTree.map(({ task }) => task.depth),
    ofTree.map(({ task }) => task.leaves.length / 32),
    ofTree.map(({ digest }) => binary(digest)),
    ofTree.map(({ task }) => binary(task.root)),
    given.map(({ id }) => id),
    of((task) => task.owner),
    of((task) => binary(task.contentHash)),
    of((task) => task.fresh),
    of((task) => task.circuitId),
    of((task) => binary(fromHex(task.circuitDigest))),
    treeIds.map(binary),
    of((task) => task.depth),
    of((task) => binary(task.root)),
    of((task) => task.leafIndex),
    of((task) => binary(task.externalHash)),
    of((task) => task.priority),
    of((task) => task.requestId),
    of((task) => task.keyId ?? null),
  ];
}

interface Waiting extends IdentifiedTask {
  readonly settle: (outcome: Promise<Row | undefined>) => void;
}

export class InsertBatches {
  readonly #database: Database;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Resolves with the new row; `undefined`: there is an equal task. Rejects with `overloaded` when too many wait, and
   * with what the database answers.
   */
  insert(given: IdentifiedTask): Promise<Row | undefined> {
    if (this.#waiting.length >= WAITING_MAX) {
      throw new ZkraftError('overloaded', `${WAITING_MAX} tasks already wait to be written; try again later`);
    }
    return new Promise((resolve) => {
      this.#waiting.push({ ...given, settle: resolve });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Those of the same turn of the event loop go together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const begunMs = performance.now();
      await this.#write(this.#take());
      const restMs = GATHER_MS - (performance.now() - begunMs);
      if (restMs > 0) await sleep(restMs);
    }
    this.#running = false;
  }

  #take(): Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ task }, i) => {
      bytes += task.leaves.length;
      return i === ROWS_MAX || (i > 0 && bytes > BYTES_MAX);
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  /** Never rejects: each task is told its own outcome. */
  async #write(batch: readonly Waiting[]): Promise<void> {
    const run: Run = (text, values, name) => this.#database.query('inserting tasks', text, values, name);
    try {
      const rows = await insertTasks(batch, run);
      for (const { id, settle } of batch) settle(Promise.resolve(rows.get(id)));
    } catch (error) {
      const isAway = ZkraftError.from(error).code === 'database_unavailable' && !isCollision(error);
      for (const one of batch) {
        const isAlone = batch.length === 1 || isAway;
        one.settle(isAlone ? Promise.reject(error) : insertTasks([one], run).then((rows) => rows.get(one.id)));
      }
    }
  }
}

/** The statement met another one, and not an outage: as the cause's SQLSTATE says. */
const isCollision = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && /^40/.test(error.cause.message);
