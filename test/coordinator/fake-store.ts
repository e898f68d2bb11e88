/**
 * PostgreSQL as the coordinator sees it, in memory: keyset pages, fences, cursor, and faults on request.
 *
 * Strict where the schema is: what ended does not change, a fence never goes back, a row fits its status.
 */
import { randomUUID } from 'node:crypto';
import { ZkraftError } from '../../src/common/index.ts';
import type {
  CancelRequest,
  ClusterRow,
  LeasedTask,
  ReadyKey,
  ReadyTask,
  SchedulingStore,
  StoreHealth,
  TaskEvent,
  TaskProjection,
  TaskStatus,
} from '../../src/store/types.ts';

export interface FakeRow extends ReadyTask {
  status: TaskStatus;
  fenceIndex: number;
  attempt: number;
  workerId: string | null;
  leaseEpoch: number | null;
  notBeforeMs: number | null;
  startedAtMs: number | null;
  proof: Uint8Array | null;
  publicSignals: Uint8Array | null;
  errorCode: string | null;
  errorMessage: string | null;
  cancelRequestedBy: string | null;
  /** Every status that was written, in order. */
  history: TaskStatus[];
}

const ENDED: readonly TaskStatus[] = ['completed', 'failed', 'cancelled'];

export class FakeStore implements SchedulingStore, StoreHealth {
  readonly rows = new Map<string, FakeRow>();
  readonly trees = new Map<string, Uint8Array>();
  cluster: ClusterRow | undefined;
  /** The database cannot be reached. */
  away = false;
  /** Reads work, writes do not. */
  readOnly = false;
  /** The next projection is written, but its answer is lost. */
  loseAnswer = false;
  projections = 0;
  claimsHeld = 0;
  /** How often it was claimed. */
  claims = 0;
  #claims: Promise<void> | undefined;
  reads = 0;
  /** In the order in which they were written; each once. */
  readonly story: TaskEvent[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #cancelListeners = new Set<() => void>();

  insert(task: Partial<FakeRow> & Pick<FakeRow, 'circuitDigest' | 'root'>): FakeRow {
    const row: FakeRow = {
      id: randomUUID(),
      circuitId: 'merkle-3',
      treeId: 'ab'.repeat(32),
      depth: 3,
      leafIndex: 0,
      externalHash: new Uint8Array(32),
      priority: 5,
      attempt: 0,
      requestId: randomUUID(),
      createdAt: new Date(),
      status: 'pending',
      fenceIndex: 0,
      workerId: null,
      leaseEpoch: null,
      notBeforeMs: null,
      startedAtMs: null,
      proof: null,
      publicSignals: null,
      errorCode: null,
      errorMessage: null,
      cancelRequestedBy: null,
      history: [],
      ...task,
    };
    this.rows.set(row.id, row);
    setImmediate(() => this.notify());
    return row;
  }

  /** As the gateway does; false when the task has ended. With `silent` only the poll finds it. */
  requestCancel(id: string, by = 'alice', silent = false): boolean {
    const row = this.row(id);
    if (ENDED.includes(row.status)) return false;
    row.cancelRequestedBy ??= by;
    if (!silent) for (const listener of this.#cancelListeners) setImmediate(listener);
    return true;
  }

  async cancelRequests(afterId: string | undefined, limit: number): Promise<readonly CancelRequest[]> {
    await this.#reach();
    return [...this.rows.values()]
      .filter((row) => row.cancelRequestedBy !== null && !ENDED.includes(row.status))
      .filter((row) => afterId === undefined || row.id > afterId)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
      .map((row) => ({
        taskId: row.id,
        requestId: row.requestId,
        attempt: row.attempt,
        by: row.cancelRequestedBy ?? '',
        cancelRequestId: 'cancel-request',
      }));
  }

  onCancelRequested(listener: () => void): () => void {
    this.#cancelListeners.add(listener);
    return () => {
      this.#cancelListeners.delete(listener);
    };
  }

  storyOf(id: string): TaskEvent[] {
    return this.story.filter((event) => event.taskId === id);
  }

  notify(): void {
    for (const listener of this.#listeners) listener();
  }

  row(id: string): FakeRow {
    const row = this.rows.get(id);
    if (row === undefined) throw new Error(`no row ${id}`);
    return row;
  }

  async readyTasks(after: readonly ReadyKey[], limit: number): Promise<readonly ReadyTask[]> {
    await this.#reach();
    this.reads += 1;
    const ready = [...this.rows.values()]
      .filter(
        (row) => row.status === 'pending' && row.cancelRequestedBy === null && (row.notBeforeMs ?? 0) <= Date.now(),
      )
      .sort(byKey);
    return after
      .toSorted((a, b) => b.priority - a.priority)
      .flatMap((key) => ready.filter((row) => row.priority === key.priority && byKey(row, key) > 0).slice(0, limit))
      .map((row) => ({ ...row }));
  }

  async leasedTasks(afterId: string | undefined, limit: number): Promise<readonly LeasedTask[]> {
    await this.#reach();
    return [...this.rows.values()]
      .filter((row) => row.leaseEpoch !== null && (afterId === undefined || row.id > afterId))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
      .map(({ id, attempt, leaseEpoch, requestId }) => ({ id, attempt, leaseEpoch: leaseEpoch ?? 0, requestId }));
  }

  async leaves(treeId: string): Promise<Uint8Array> {
    await this.#reach();
    const leaves = this.trees.get(treeId);
    if (leaves === undefined) throw new ZkraftError('artifact_not_found', `no tree ${treeId}`);
    return leaves;
  }

  onInserted(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** From now on claims wait, until what this returns is called. */
  holdClaims(): () => void {
    let release = (): void => {};
    this.#claims = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      this.#claims = undefined;
      release();
    };
  }

  async claimCluster(clusterId: string, succeeds: readonly string[] = []): Promise<ClusterRow> {
    this.claims += 1;
    if (this.#claims !== undefined) {
      this.claimsHeld += 1;
      await this.#claims;
    }
    await this.#reach();
    this.cluster ??= { clusterId, epoch: 1, cursor: 0 };
    if (succeeds.includes(this.cluster.clusterId)) {
      this.cluster = { clusterId, epoch: this.cluster.epoch + 1, cursor: 0 };
    }
    if (this.cluster.clusterId !== clusterId) {
      throw new ZkraftError('foreign_cluster', `the database belongs to ${this.cluster.clusterId}; adopt it`);
    }
    return this.cluster;
  }

  async project(
    cluster: { readonly clusterId: string; readonly epoch: number },
    expectedCursor: number,
    cursor: number,
    rows: readonly TaskProjection[],
    story: readonly TaskEvent[] = [],
  ): Promise<boolean> {
    await this.#reach();
    if (this.readOnly) throw new ZkraftError('database_unavailable', 'the disk is full');
    if (this.cluster?.clusterId !== cluster.clusterId) throw new ZkraftError('foreign_cluster', 'not ours');
    if (this.cluster.cursor !== expectedCursor) return false;
    if (cursor < expectedCursor || rows.length > 2_000) throw new ZkraftError('internal', 'bad projection');
    for (const projected of rows) this.#write(projected);
    for (const event of story) {
      const same = (other: TaskEvent): boolean =>
        other.taskId === event.taskId && other.logIndex === event.logIndex && other.kind === event.kind;
      if (!this.story.some(same)) this.story.push(event);
    }
    this.cluster = { ...this.cluster, cursor };
    this.projections += 1;
    if (this.loseAnswer) {
      this.loseAnswer = false;
      throw new ZkraftError('database_unavailable', 'the connection broke');
    }
    return true;
  }

  async countPending(): Promise<number> {
    await this.#reach();
    return [...this.rows.values()].filter((row) => row.status === 'pending').length;
  }

  async ping(): Promise<void> {
    await this.#reach();
  }

  #write(projected: TaskProjection): void {
    const row = this.rows.get(projected.taskId);
    if (row === undefined || row.fenceIndex >= projected.fenceIndex || ENDED.includes(row.status)) return;
    const { status, leaseEpoch, proof, workerId, errorCode } = projected;
    const leased = status === 'assigned' || status === 'in_progress';
    if (
      leased !== (leaseEpoch !== null) ||
      (status === 'completed') !== (proof !== null) ||
      (status === 'pending' && workerId !== null) ||
      (status === 'failed' && errorCode === null) ||
      (projected.errorMessage ?? '').includes('\0')
    ) {
      throw new ZkraftError('internal', `SQLSTATE 23514: row of ${projected.taskId} does not fit ${status}`);
    }
    Object.assign(row, { ...projected, history: [...row.history, status] });
  }

  async #reach(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.away) throw new ZkraftError('database_unavailable', 'PostgreSQL cannot be reached');
  }
}

/** (priority descending, created_at, id) */
function byKey(a: ReadyKey, b: ReadyKey): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  const age = a.createdAt.getTime() - b.createdAt.getTime();
  if (age !== 0) return age;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
