/**
 * Brings one blob whole from a stream that may break, and believes only its digest.
 *
 * What has arrived is kept, and the next stream begins at the offset reached, whichever coordinator then answers. When
 * all of it is there the SHA-256 decides: a blob that differs is thrown away and fetched afresh, `CORRUPT_MAX` times,
 * then `artifact_corrupt`. A size above the limit is refused before anything is kept, and tries without progress end
 * the download with the error of the last one. A refusal that trying again cannot mend ends it at once.
 */
import { createHash } from 'node:crypto';
import { ZkraftError } from '../common/index.ts';
import { type BackoffOptions, createBackoff } from './backoff.ts';
import { type Clock, sleep } from './clock.ts';
import { isFinal } from './verdict.ts';

const CORRUPT_MAX = 3;
/** Tries in a row that brought not one byte. */
const IDLE_TRIES_MAX = 10;

export interface BlobChunk {
  readonly totalBytes: bigint;
  readonly chunk: Uint8Array;
}

export interface DownloadOptions {
  /** Lower-case hex SHA-256. */
  readonly digest: string;
  /** More is `artifact_too_large`. */
  readonly bytesMax: number;
  /** What the manifest says; another size is `artifact_corrupt`. */
  readonly bytes?: number;
  readonly open: (offset: number) => AsyncIterable<BlobChunk>;
  readonly signal: AbortSignal;
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onResume?: (offset: number, error: ZkraftError) => void;
}

/** The blob, verified. Rejects with ZkraftError; with the reason of `signal` once that fires. */
export async function download(options: DownloadOptions): Promise<Uint8Array> {
  const { digest, signal, clock } = options;
  const backoff = createBackoff(options.backoff, options.random);
  let part = new Part(options);
  let corrupt = 0;
  for (;;) {
    const before = part.received;
    let error: ZkraftError;
    try {
      for await (const message of options.open(part.received)) {
        if (signal.aborted) throw signal.reason;
        part.add(message);
      }
      if (part.isWhole) {
        const whole = part.verified();
        if (whole !== undefined) return whole;
        corrupt += 1;
        part = new Part(options);
        error = new ZkraftError('artifact_corrupt', `what was sent as blob ${digest} does not have this digest`);
        if (corrupt >= CORRUPT_MAX) throw error;
      } else {
        error = new ZkraftError('coordinator_unavailable', `the stream of blob ${digest} ended early`);
      }
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      error = ZkraftError.from(thrown);
      if (corrupt >= CORRUPT_MAX || error.code === 'artifact_too_large' || isFinal(thrown)) throw error;
      // A stream that contradicts itself or its manifest: nothing of it can be kept.
      if (error.code === 'artifact_corrupt') {
        corrupt += 1;
        part = new Part(options);
        if (corrupt >= CORRUPT_MAX) throw error;
      }
    }
    if (part.received > before) backoff.reset();
    else if (backoff.attempts >= IDLE_TRIES_MAX) throw error;
    options.onResume?.(part.received, error);
    await sleep(clock, backoff.nextMs(), signal);
    if (signal.aborted) throw signal.reason;
  }
}

/** The bytes that have arrived so far. */
class Part {
  readonly #digest: string;
  readonly #bytesMax: number;
  readonly #expected: number | undefined;
  readonly #chunks: Uint8Array[] = [];
  readonly #hash = createHash('sha256');
  #total: number | undefined;
  received = 0;

  constructor({ digest, bytesMax, bytes }: DownloadOptions) {
    this.#digest = digest;
    this.#bytesMax = bytesMax;
    this.#expected = bytes;
  }

  add({ totalBytes, chunk }: BlobChunk): void {
    const total = Number(totalBytes);
    if (total > this.#bytesMax) {
      throw new ZkraftError('artifact_too_large', `blob ${this.#digest} has ${total} bytes; at most ${this.#bytesMax}`);
    }
    const contradicts = this.#total !== undefined && this.#total !== total;
    const unexpected = this.#expected !== undefined && this.#expected !== total;
    if (contradicts || unexpected || this.received + chunk.length > total) {
      throw new ZkraftError('artifact_corrupt', `the stream of blob ${this.#digest} is not as long as it should be`);
    }
    this.#total = total;
    this.#chunks.push(chunk);
    // As it comes, because hashing a large key at one go would hold up a heartbeat.
    this.#hash.update(chunk);
    this.received += chunk.length;
  }

  get isWhole(): boolean {
    return this.#total === this.received;
  }

  /** All bytes, if they have the digest. */
  verified(): Uint8Array | undefined {
    if (this.#hash.digest('hex') !== this.#digest) return undefined;
    const out = new Uint8Array(this.received);
    let at = 0;
    for (const chunk of this.#chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }
}
