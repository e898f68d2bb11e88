/**
 * Blobs in PostgreSQL, in chunks of 256 KiB under their SHA-256.
 *
 * No statement is long and none holds a lock: chunks go in one by one, and the flag `complete` last. Writers of the
 * same bytes share the work without knowing of each other, and one that was interrupted is continued by the next.
 */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DIGEST_HEX, fromHex, ZkraftError } from '../common/index.ts';
import { type BlobStore, CHUNK_BYTES } from '../prover/index.ts';
import type { Database } from './database.ts';

/** Hashed in one turn of the event loop: some 10 ms at worst. */
const HASH_SLICE_BYTES = 4 * 1024 * 1024;

export class PgBlobStore implements BlobStore {
  readonly #database: Database;
  readonly #bytesMax: number;

  constructor(database: Database, bytesMax: number) {
    this.#database = database;
    this.#bytesMax = bytesMax;
  }

  async put(bytes: Uint8Array): Promise<string> {
    if (bytes.length > this.#bytesMax) {
      throw new ZkraftError('artifact_too_large', `the blob has ${bytes.length} bytes; the limit is ${this.#bytesMax}`);
    }
    const digest = await digestOf(bytes);
    const key = fromHex(digest);
    const doing = 'storing a blob';
    const [row] = await this.#database.query(
      doing,
      `WITH made AS (INSERT INTO blobs (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING)
       SELECT complete FROM blobs WHERE digest = $1`,
      [key, bytes.length],
    );
    if (row?.complete === true) return digest;
    for (let seq = 0; seq * CHUNK_BYTES < bytes.length; seq++) {
      await this.#database.query(
        doing,
        'INSERT INTO blob_chunks (digest, seq, content) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [key, seq, bytes.subarray(seq * CHUNK_BYTES, (seq + 1) * CHUNK_BYTES)],
      );
    }
    await this.#database.query(doing, 'UPDATE blobs SET complete = true WHERE digest = $1 AND NOT complete', [key]);
    return digest;
  }

  async has(digest: string): Promise<boolean> {
    return (await this.#sizeOf(digest)) !== undefined;
  }

  async size(digest: string): Promise<number> {
    const bytes = await this.#sizeOf(digest);
    if (bytes === undefined) throw notFound(digest);
    return bytes;
  }

  async *read(digest: string, offset = 0): AsyncIterable<Uint8Array> {
    const bytes = await this.size(digest);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > bytes) {
      throw new ZkraftError('invalid_request', `offset is ${offset}; the blob has ${bytes} bytes`, { field: 'offset' });
    }
    for (let at = offset; at < bytes; ) {
      const seq = Math.floor(at / CHUNK_BYTES);
      const [row] = await this.#database.query(
        'reading a blob',
        'SELECT content FROM blob_chunks WHERE digest = $1 AND seq = $2',
        [fromHex(digest), seq],
      );
      if (!row) throw new ZkraftError('artifact_corrupt', `blob ${digest} lacks chunk ${seq}`);
      const content = new Uint8Array(row.content as Buffer);
      const chunk = content.subarray(at - seq * CHUNK_BYTES);
      if (chunk.length === 0) throw new ZkraftError('artifact_corrupt', `chunk ${seq} of blob ${digest} is short`);
      yield chunk;
      at += chunk.length;
    }
  }

  async get(digest: string): Promise<Uint8Array> {
    const bytes = new Uint8Array(await this.size(digest));
    const hash = createHash('sha256');
    let at = 0;
    for await (const chunk of this.read(digest)) {
      if (at + chunk.length > bytes.length) break;
      hash.update(chunk);
      bytes.set(chunk, at);
      at += chunk.length;
    }
    if (at !== bytes.length || hash.digest('hex') !== digest) {
      throw new ZkraftError('artifact_corrupt', `the stored bytes of blob ${digest} have another digest`);
    }
    return bytes;
  }

  async #sizeOf(digest: string): Promise<number | undefined> {
    if (!DIGEST_HEX.test(digest)) return undefined;
    const [row] = await this.#database.query(
      'looking for a blob',
      'SELECT bytes FROM blobs WHERE digest = $1 AND complete',
      [fromHex(digest)],
    );
    return row && Number(row.bytes);
  }
}

async function digestOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASH_SLICE_BYTES) {
    if (at > 0) await nextTurn();
    hash.update(bytes.subarray(at, at + HASH_SLICE_BYTES));
  }
  return hash.digest('hex');
}

function notFound(digest: string): ZkraftError {
  return new ZkraftError('artifact_not_found', `no blob ${digest} is stored`);
}
