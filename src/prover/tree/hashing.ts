/**
 * Blocks on their way through the hash: in threads of this work's own, or on the caller's.
 *
 * A thread costs some tenths of a second to start, about what it takes to hash a few blocks: one block alone is hashed
 * here, whatever was asked for, and threads are started with the second.
 */
import { ZkraftError } from '../../common/index.ts';
import type { KernelModule } from '../kernels/index.ts';
import { siblingModule, ThreadPool } from '../pool/index.ts';
import type { LaneHasher } from '../wasm/index.ts';
import { type BlockWork, hashBlock } from './block.ts';
import type { TreeThreadData } from './tree-thread.ts';

/** A block is 50 ms; what takes this long is stuck. */
const BLOCK_TIMEOUT_MS = 600_000;
/** Blocks that wait for each thread: enough that none waits for the reader, few enough that memory is bounded. */
const WAITING_MAX = 3;

export interface BlockHashingOptions {
  readonly hasher: LaneHasher;
  readonly kernel: KernelModule;
  /** 0: the caller's. */
  readonly threads: number;
  readonly onHashed: (work: BlockWork) => void;
}

export class BlockHashing {
  readonly #options: BlockHashingOptions;
  readonly #running = new Set<Promise<void>>();
  #held: BlockWork | undefined;
  #pool: ThreadPool<BlockWork> | undefined;
  #failure: unknown;
  #closed = false;

  constructor(options: BlockHashingOptions) {
    this.#options = options;
  }

  /** Resolves when there is room for more. Rejects with what went wrong in an earlier block. */
  async add(work: BlockWork): Promise<void> {
    const { threads } = this.#options;
    if (threads === 0) {
      await this.#here(work);
      return;
    }
    if (this.#pool === undefined && this.#held === undefined) {
      this.#held = work;
      return;
    }
    if (this.#held) this.#send(this.#held);
    this.#held = undefined;
    this.#send(work);
    while (this.#running.size > WAITING_MAX * threads) await Promise.race(this.#running);
    this.#throwFailure();
  }

  /** Resolves when all are hashed. */
  async finish(): Promise<void> {
    if (this.#held) await this.#here(this.#held);
    this.#held = undefined;
    await Promise.all(this.#running);
    this.#throwFailure();
  }

  /** Ends the threads; nobody writes to a block afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool?.close();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Others have a turn before it. */
  async #here(work: BlockWork): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#closed) return;
    hashBlock(this.#options.hasher, work);
    this.#options.onHashed(work);
  }

  #send(work: BlockWork): void {
    const { kernel, threads, onHashed } = this.#options;
    this.#pool ??= new ThreadPool<BlockWork>({
      file: siblingModule(import.meta.url, 'tree-thread'),
      threads,
      queueMax: WAITING_MAX * threads + 2,
      workerData: { kernel } satisfies TreeThreadData,
    });
    const run = this.#pool
      .run(work, { timeoutMs: BLOCK_TIMEOUT_MS, accepted: true })
      .then(() => onHashed(work))
      .catch((error: unknown) => {
        this.#failure ??= ZkraftError.from(error);
      })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }
}
