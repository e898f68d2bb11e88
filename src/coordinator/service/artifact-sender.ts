/**
 * Streams a blob to a worker, from an offset on, no faster than it reads.
 *
 * Only manifests and files of pinned circuits are served. The worker checks the digest of what it has; here only the
 * size is told, with each chunk. Downloads are bounded, over all and for each worker.
 */
import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { toHex, ZkraftError } from '../../common/index.ts';
import type { FetchArtifactRequest, FetchArtifactResponse } from '../../common/rpc/index.ts';
import type { BlobStore } from '../../prover/artifacts/types.ts';
import type { CircuitCatalog } from '../circuits.ts';
import { checkCount, checkDigest } from './requests.ts';

export type ArtifactCall = ServerWritableStream<FetchArtifactRequest, FetchArtifactResponse>;

const CHUNK_BYTES_MAX = 256 * 1024;
const DOWNLOADS_MAX = 64;
const DOWNLOADS_PER_WORKER_MAX = 8;
/** A reader that takes nothing for so long is given up. */
const STALLED_MS = 30_000;

export class ArtifactSender {
  readonly #blobs: BlobStore;
  readonly #catalog: CircuitCatalog;
  readonly #perWorker = new Map<string, number>();
  #running = 0;

  constructor(blobs: BlobStore, catalog: CircuitCatalog) {
    this.#blobs = blobs;
    this.#catalog = catalog;
  }

  async send(call: ArtifactCall): Promise<void> {
    const { workerId } = call.request;
    const digest = toHex(checkDigest(call.request.digest, 'digest'));
    const offset = checkCount(call.request.offset, 'offset');
    const mine = this.#perWorker.get(workerId) ?? 0;
    if (this.#running >= DOWNLOADS_MAX || mine >= DOWNLOADS_PER_WORKER_MAX) {
      throw new ZkraftError('overloaded', 'too many downloads at once; try again later');
    }
    this.#running += 1;
    this.#perWorker.set(workerId, mine + 1);
    try {
      await this.#send(call, digest, offset);
    } finally {
      this.#running -= 1;
      const left = (this.#perWorker.get(workerId) ?? 1) - 1;
      if (left === 0) this.#perWorker.delete(workerId);
      else this.#perWorker.set(workerId, left);
    }
  }

  async #send(call: ArtifactCall, digest: string, offset: number): Promise<void> {
    if (!(await this.#catalog.allowsBlob(digest))) {
      throw new ZkraftError('artifact_not_found', `no pinned circuit has a file ${digest}`, { field: 'digest' });
    }
    const total = await this.#blobs.size(digest);
    if (offset > total) {
      throw new ZkraftError('invalid_request', `offset is ${offset}, but the blob has ${total} bytes`, {
        field: 'offset',
      });
    }
    const totalBytes = BigInt(total);
    if (offset === total) call.write({ totalBytes, chunk: new Uint8Array(0) });
    else {
      for await (const bytes of this.#blobs.read(digest, offset)) {
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES_MAX) {
          if (call.cancelled) return;
          const chunk = bytes.subarray(at, at + CHUNK_BYTES_MAX);
          if (!call.write({ totalBytes, chunk })) await drained(call);
        }
      }
    }
    call.end();
  }
}

async function drained(call: ArtifactCall): Promise<void> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), STALLED_MS);
  const onCancelled = () => stop.abort();
  call.once('cancelled', onCancelled);
  try {
    await once(call, 'drain', { signal: stop.signal });
  } catch {
    if (!call.cancelled) throw new ZkraftError('request_timeout', `the download was not read for ${STALLED_MS} ms`);
  } finally {
    clearTimeout(timer);
    call.off('cancelled', onCancelled);
  }
}
