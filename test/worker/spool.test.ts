/** Finished proofs on disk. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import type { CompletionReport } from '../../src/worker/report.ts';
import { Spool } from '../../src/worker/spool.ts';

const dirs: string[] = [];
let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zkraft-spool-'));
  dirs.push(dir);
});
after(() => Promise.all(dirs.map((each) => rm(each, { recursive: true, force: true }))));

const report = (n: number, workerId = 'w1'): CompletionReport => ({
  kind: 'completion',
  lease: { taskId: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`, workerId, attempt: 2, epoch: 2n ** 60n },
  requestId: `req-${n}`,
  circuitId: 'merkle-8',
  proof: Uint8Array.from({ length: 256 }, (_, i) => i),
  publicSignals: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)],
  backend: 'snarkjs',
  timings: { queueMs: 0.5, witnessMs: 1, proveMs: 2, verifyMs: 3 },
});

const ownDir = (workerId = 'w1'): string => join(dir, `worker-${workerId}`);

describe('the spool', () => {
  it('gives back after a restart what was put in, and forgets what was removed', async () => {
    const { spool } = await Spool.open(dir, 'w1');
    await spool.put(report(1));
    await spool.put(report(2));
    await spool.remove(report(1));
    const again = await Spool.open(dir, 'w1');
    assert.deepEqual(again.left, [report(2)]);
    assert.equal(again.spool.size, 1);
  });

  it('takes over what workers of other ids left, and removes that too', async () => {
    const first = await Spool.open(dir, '..');
    await first.spool.put(report(1, '..'));
    const second = await Spool.open(dir, 'w2');
    await second.spool.put(report(2, 'w2'));
    const third = await Spool.open(dir, 'w2');
    assert.deepEqual(third.left, [report(2, 'w2'), report(1, '..')]);
    for (const each of third.left) await third.spool.remove(each);
    assert.deepEqual((await Spool.open(dir, 'w3')).left, []);
    assert.deepEqual((await readdir(dir)).sort(), ['worker-..', 'worker-w2', 'worker-w3'].sort());
  });

  it('sets a damaged file aside instead of trusting it', async () => {
    const { spool } = await Spool.open(dir, 'w1');
    await spool.put(report(1));
    await spool.put(report(2));
    const [first = ''] = (await readdir(ownDir())).sort();
    const text = await readFile(join(ownDir(), first), 'utf8');
    await writeFile(join(ownDir(), first), text.replace('000102', '000103'));
    const again = await Spool.open(dir, 'w1');
    assert.deepEqual(again.left, [report(2)]);
    assert.equal(again.broken, 1);
    assert.ok((await readdir(ownDir())).includes(`${first}.broken`));
  });

  it('throws away what a crash left half written', async () => {
    await Spool.open(dir, 'w1');
    await writeFile(join(ownDir(), 'x.proof.json.tmp'), 'half');
    const again = await Spool.open(dir, 'w1');
    assert.deepEqual([again.left, again.broken], [[], 0]);
    assert.deepEqual(await readdir(ownDir()), []);
  });

  it('takes no more than its limit, and takes again once there is room', async () => {
    const { spool } = await Spool.open(dir, 'w1', { entriesMax: 2, entryBytesMax: 10_000 });
    await spool.put(report(1));
    await spool.put(report(2));
    await assert.rejects(spool.put(report(3)), (error) => error instanceof ZkraftError && error.code === 'overloaded');
    await spool.put(report(2));
    await spool.remove(report(1));
    await spool.put(report(3));
    assert.equal(spool.size, 2);
  });

  it('is readable by its owner alone', async () => {
    const { spool } = await Spool.open(dir, 'w1');
    await spool.put(report(1));
    const [file = ''] = await readdir(ownDir());
    assert.equal((await stat(join(ownDir(), file))).mode & 0o777, 0o600);
    assert.equal((await stat(ownDir())).mode & 0o777, 0o700);
  });
});
