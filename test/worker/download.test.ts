/** Downloads over streams that break, lie or never progress. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256Hex, ZkraftError } from '../../src/common/index.ts';
import { fromServiceError, RemoteError, toServiceError } from '../../src/common/rpc/index.ts';
import { type BlobChunk, type DownloadOptions, download } from '../../src/worker/download.ts';
import { FakeClock } from '../support/fake-clock.ts';

const blob = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
const digest = sha256Hex(blob);
const CHUNK = 1_000;

/** A server of `bytes`: each opening is told to break after so many chunks, or to alter one. */
function server(
  bytes: Uint8Array,
  breakAfter: readonly number[],
  alter?: (chunk: Uint8Array, at: number) => Uint8Array,
) {
  const offsets: number[] = [];
  const open = async function* (offset: number): AsyncGenerator<BlobChunk> {
    const chunksMax = breakAfter[offsets.length] ?? Number.POSITIVE_INFINITY;
    offsets.push(offset);
    for (let at = offset, sent = 0; at < bytes.length; at += CHUNK, sent += 1) {
      if (sent === chunksMax) throw new RemoteError('coordinator_unavailable', 'cut');
      const chunk = bytes.slice(at, at + CHUNK);
      yield { totalBytes: BigInt(bytes.length), chunk: alter?.(chunk, at) ?? chunk };
    }
  };
  return { open, offsets };
}

/** Runs a download while time is let pass for it. */
async function run(open: DownloadOptions['open'], overrides: Partial<DownloadOptions> = {}): Promise<Uint8Array> {
  const clock = new FakeClock();
  let over = false;
  const result = download({
    digest,
    bytesMax: 1_000_000,
    open,
    signal: new AbortController().signal,
    backoff: { initialMs: 10, capMs: 100 },
    clock,
    random: () => 1,
    ...overrides,
  }).finally(() => {
    over = true;
  });
  result.catch(() => undefined);
  while (!over) {
    await clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return result;
}

const rejectsWith = (promise: Promise<unknown>, code: string): Promise<void> =>
  assert.rejects(promise, (error) => error instanceof ZkraftError && error.code === code);

describe('a download', () => {
  it('brings a blob whole', async () => {
    assert.deepEqual(await run(server(blob, []).open), blob);
  });

  it('resumes at the offset reached, not at the beginning', async () => {
    const { open, offsets } = server(blob, [3, 0, 5]);
    assert.deepEqual(await run(open), blob);
    assert.deepEqual(offsets, [0, 3_000, 3_000, 8_000]);
  });

  it('takes a stream that ends early for a broken one', async () => {
    const { open, offsets } = server(blob, []);
    const short = async function* (offset: number): AsyncGenerator<BlobChunk> {
      for await (const message of open(offset)) {
        yield message;
        if (offsets.length === 1) return;
      }
    };
    assert.deepEqual(await run(short), blob);
    assert.deepEqual(offsets, [0, 1_000]);
  });

  it('throws a blob away whose digest is wrong, and fetches it afresh', async () => {
    let altered = 0;
    const { open, offsets } = server(blob, [], (chunk, at) => {
      if (at === 4_000 && altered++ === 0) return chunk.map((byte) => byte ^ 1);
      return chunk;
    });
    assert.deepEqual(await run(open), blob);
    assert.deepEqual(offsets, [0, 0]);
  });

  it('gives up on a blob that is wrong each time', async () => {
    const { open, offsets } = server(blob, [], (chunk) => chunk.map((byte) => byte ^ 1));
    await rejectsWith(run(open), 'artifact_corrupt');
    assert.equal(offsets.length, 3);
  });

  it('refuses a blob above the limit before keeping any of it', async () => {
    const { open, offsets } = server(blob, []);
    await rejectsWith(run(open, { bytesMax: 9_999 }), 'artifact_too_large');
    assert.equal(offsets.length, 1);
  });

  it('refuses a size that is not the one in the manifest', async () => {
    await rejectsWith(run(server(blob, []).open, { bytes: 10_001 }), 'artifact_corrupt');
  });

  it('refuses more bytes than were announced', async () => {
    const { open } = server(blob, [], (chunk) => new Uint8Array([...chunk, 0]));
    await rejectsWith(run(open), 'artifact_corrupt');
  });

  it('ends after so many tries without progress', async () => {
    const { open, offsets } = server(blob, Array(100).fill(0));
    await rejectsWith(run(open), 'coordinator_unavailable');
    assert.equal(offsets.length, 11);
  });

  it('goes on for any number of breaks while there is progress', async () => {
    const big = new Uint8Array(40_000).map((_, i) => i & 0xff);
    const { open, offsets } = server(big, Array(100).fill(1));
    assert.deepEqual(await run(open, { digest: sha256Hex(big) }), big);
    assert.equal(offsets.length, 40);
  });

  it('ends at once when the coordinator says that it has no such blob', async () => {
    let opened = 0;
    const refusing = server(blob, []);
    const open = async function* (offset: number): AsyncGenerator<BlobChunk> {
      opened += 1;
      if (opened === 2) yield* refusing.open(offset);
      throw fromServiceError(toServiceError(new ZkraftError('artifact_not_found', 'no')));
    };
    await rejectsWith(run(open), 'artifact_not_found');
    assert.equal(opened, 1);
  });

  it('ends with the reason of its signal', async () => {
    const abort = new AbortController();
    const { open } = server(blob, [], (chunk, at) => {
      if (at === 2_000) abort.abort(new ZkraftError('shutting_down', 'stop'));
      return chunk;
    });
    await rejectsWith(run(open, { signal: abort.signal }), 'shutting_down');
  });
});
