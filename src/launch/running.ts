/**
 * A part of the network that runs in this process, and how a group of them is stopped.
 *
 * Parts are closed in the reverse order of their start; one that does not close in time or fails to is reported, and
 * the rest are closed all the same.
 */
import type { Logger } from '../common/index.ts';

export interface Running {
  /** Such as `gateway`. */
  readonly name: string;
  /** Where it can be reached, by role: `http`, `grpc`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Rejects when the part can no longer do its work and the process should end. */
  readonly done?: Promise<void>;
  /** Idempotent; resolves when nothing of it is left. */
  close(): Promise<void>;
}

const CLOSE_MS_MAX = 20_000;

export class RunningGroup {
  readonly #parts: Running[] = [];
  readonly #limits = new Map<string, number>();
  readonly #logger: Logger;
  #closing: Promise<void> | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add<T extends Running>(part: T): T {
    this.#parts.push(part);
    return part;
  }

  /** Something that only has to be closed. */
  addClosable(name: string, close: () => Promise<void>, limitMs = CLOSE_MS_MAX): void {
    this.#parts.push({ name, addresses: {}, close });
    this.#limits.set(name, limitMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    for (const part of this.#parts.reverse()) {
      const begun = performance.now();
      try {
        await withLimit(part.close(), this.#limits.get(part.name) ?? CLOSE_MS_MAX);
        this.#logger.debug({ part: part.name, ms: Math.round(performance.now() - begun) }, 'closed');
      } catch (error) {
        this.#logger.error({ part: part.name, err: error }, 'did not close cleanly');
      }
    }
  }
}

async function withLimit(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still open after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
