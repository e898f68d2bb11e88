/** What preparing a key of depth 20 takes, each time in a process of its own: first, and from the disk; and how much memory. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type MerkleKeys, makeMerkleKeys } from '../support/merkle-circuits.ts';
import type { Preparation } from './scripts/prepare-key.ts';

const DEPTH = 20;
const FIRST_MAX_MS = 3_000;
const CACHED_MAX_MS = 400;
const MEMORY_MAX_BYTES = 150e6;
/** The best of some counts: others use the machine as well. */
const RUNS = 4;

const script = fileURLToPath(new URL('./scripts/prepare-key.ts', import.meta.url));

describe(`preparing a key of depth ${DEPTH}`, () => {
  let keys: MerkleKeys;
  let dir: string;
  before(async () => {
    keys = await makeMerkleKeys(DEPTH);
    dir = await mkdtemp(join(tmpdir(), 'zkraft-prepare-'));
  });
  after(async () => {
    await keys.remove();
    await rm(dir, { recursive: true, force: true });
  });

  const prepare = async (t: TestContext, tables: string, threads = 2): Promise<Preparation> => {
    const args = ['--import', 'tsx', script, keys.dir, `merkle-${DEPTH}`, join(dir, tables), String(threads)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const made = JSON.parse(stdout) as Preparation;
    const { startMs, warmMs, warmCpuMs, rssBytes } = made;
    t.diagnostic(
      `${threads} threads: started in ${startMs.toFixed()} ms; key ready in ${warmMs.toFixed()} ms, ` +
        `${warmCpuMs.toFixed()} ms of CPU; ${(rssBytes / 1e6).toFixed(1)} MB more`,
    );
    return made;
  };
  /** On a machine that others use waiting does not count, but computing does. */
  const tookMs = ({ warmMs, warmCpuMs }: Preparation): number => Math.min(warmMs, warmCpuMs);

  it('takes three seconds at most when it is done first', async (t) => {
    const runs = [await prepare(t, 'first'), await prepare(t, 'again')];
    const bestMs = Math.min(...runs.map(tookMs));
    assert.ok(bestMs <= FIRST_MAX_MS, `${bestMs} ms`);
  });

  it('takes less than half a second when it was done before', async (t) => {
    await prepare(t, 'kept');
    const runs: Preparation[] = [];
    for (let i = 0; i < RUNS; i++) runs.push(await prepare(t, 'kept'));
    const bestMs = Math.min(...runs.map(tookMs));
    assert.ok(bestMs <= CACHED_MAX_MS, `${bestMs} ms`);
  });

  it('takes its memory once, for all threads', async (t) => {
    await prepare(t, 'memory');
    const [one, four] = [await prepare(t, 'memory', 1), await prepare(t, 'memory', 4)];
    assert.ok(one.rssBytes <= MEMORY_MAX_BYTES, `${one.rssBytes} bytes`);
    assert.ok(four.rssBytes <= MEMORY_MAX_BYTES, `${four.rssBytes} bytes in four threads`);
  });
});
