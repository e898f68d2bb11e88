/**
 * This node's own snapshots, and the cutting of the log behind them.
 *
 * The image is taken between two entries and written beside everything else. The order: file whole and durable; the
 * log records it (in one batch with the commit index that it needs); the log is cut; files that nothing refers to go.
 */
import { type Logger, ZkraftError } from '../../common/index.ts';
import { type LogStorage, SNAPSHOT_CHUNK_BYTES, type SnapshotStore } from '../storage/index.ts';
import type { SnapshotMetadata } from '../types.ts';
import type { NodeObserver } from './observer.ts';
import type { Runtime } from './ports.ts';
import type { ReplicatedState } from './replicated-state.ts';
import { compactTo, isSnapshotDue, type SnapshotPolicy } from './snapshot-policy.ts';

export interface SnapshotMakerOptions<Result> {
  readonly log: LogStorage;
  readonly store: SnapshotStore;
  readonly state: ReplicatedState<Result>;
  readonly policy: SnapshotPolicy;
  readonly runtime: Runtime;
  readonly observer: NodeObserver;
  readonly logger: Logger;
  readonly flushCommit: () => Promise<void> | undefined;
  readonly snapshotsUnderWay: () => readonly number[];
  /** Runs `work` in a turn of the driver. */
  readonly inTurn: (work: () => void) => void;
  readonly failed: (error: unknown) => void;
}

const RETRY_MS = 10_000;

export class SnapshotMaker<Result> {
  readonly #options: SnapshotMakerOptions<Result>;
  #index: number;
  #madeMs: number;
  #making: Promise<void> | undefined;
  /** After one that failed. */
  #notBeforeMs = 0;
  /** A peer needs one that is newer than the newest. */
  #isDemanded = false;
  #installs = 0;

  constructor(options: SnapshotMakerOptions<Result>) {
    this.#options = options;
    this.#index = options.log.recordedSnapshots().at(-1)?.index ?? 0;
    this.#madeMs = options.runtime.now();
  }

  /** Of the newest. */
  get index(): number {
    return this.#index;
  }

  async settled(): Promise<void> {
    await this.#making;
  }

  /** Only notes it: whoever asks is in the middle of something. */
  demand(): void {
    this.#isDemanded = true;
  }

  /** Begins one if it is time. */
  consider(): void {
    const { state, policy, runtime } = this.#options;
    if (this.#making !== undefined || this.#installs > 0 || runtime.now() < this.#notBeforeMs) return;
    const { appliedIndex } = state;
    const sinceLastMs = runtime.now() - this.#madeMs;
    const isDue = isSnapshotDue(policy, { appliedIndex, snapshotIndex: this.#index, sinceLastMs });
    if (!isDue && !(this.#isDemanded && appliedIndex > this.#index)) return;
    this.#isDemanded = false;
    this.#making = this.#make().finally(() => {
      this.#making = undefined;
      this.#isDemanded = false;
      this.#madeMs = runtime.now();
    });
  }

  /** One of the leader's is to take the place of the log: none of our own until it has. */
  installBegins(): void {
    this.#installs += 1;
  }

  installed({ index }: SnapshotMetadata): void {
    const { log, store, failed } = this.#options;
    this.#installs -= 1;
    this.#index = Math.max(this.#index, index);
    store.keepOnly(log.recordedSnapshots()).catch(failed);
  }

  async load(metadata: SnapshotMetadata): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#options.store.read(metadata)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async #make(): Promise<void> {
    const { state, runtime, observer, logger, failed } = this.#options;
    const begunMs = runtime.now();
    try {
      const { metadata, pieces } = state.snapshot();
      const bytes = await this.#write(metadata, pieces);
      if (await this.#record(metadata)) {
        observer.snapshotted?.(runtime.now() - begunMs, bytes);
        logger.debug({ index: metadata.index, bytes }, 'snapshot made');
      }
    } catch (error) {
      const { code, message } = ZkraftError.from(error);
      if (code === 'disk_full' || code === 'overloaded' || code === 'artifact_too_large' || code === 'shutting_down') {
        this.#notBeforeMs = runtime.now() + RETRY_MS;
        logger.error({ code, reason: message }, 'no snapshot was made');
      } else failed(error);
    }
  }

  async #write(metadata: SnapshotMetadata, pieces: readonly Uint8Array[]): Promise<number> {
    const writer = await this.#options.store.create(metadata);
    let bytes = 0;
    for (const piece of pieces) {
      bytes += piece.length;
      for (let at = 0; at < piece.length; at += SNAPSHOT_CHUNK_BYTES) {
        await writer.write(piece.subarray(at, at + SNAPSHOT_CHUNK_BYTES));
      }
    }
    await writer.finish();
    return bytes;
  }

  /** False when a newer one of the leader's came in between. */
  async #record(metadata: SnapshotMetadata): Promise<boolean> {
    const { log, store, inTurn, flushCommit } = this.#options;
    const recorded = await new Promise<boolean>((resolve, reject) => {
      inTurn(() => {
        const isOvertaken = this.#installs > 0 || metadata.index <= this.#index;
        if (isOvertaken || log.term(metadata.index) !== metadata.term) return resolve(false);
        const flushed = flushCommit() ?? Promise.resolve();
        Promise.all([flushed, log.recordSnapshot(metadata)]).then(() => resolve(true), reject);
      });
    });
    if (recorded) {
      this.#index = metadata.index;
      await this.#compact();
    }
    await store.keepOnly(log.recordedSnapshots());
    return recorded;
  }

  async #compact(): Promise<void> {
    const { log, state, policy, inTurn, snapshotsUnderWay } = this.#options;
    await new Promise<void>((resolve, reject) => {
      inTurn(() => {
        const oldestSnapshotIndex = log.recordedSnapshots()[0]?.index ?? 0;
        const { appliedIndex } = state;
        const to = compactTo(policy, { appliedIndex, oldestSnapshotIndex, snapshotsUnderWay: snapshotsUnderWay() });
        if (to < log.firstIndex()) resolve();
        else log.compact(to).then(resolve, reject);
      });
    });
  }
}
