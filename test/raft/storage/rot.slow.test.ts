/**
 * Bits flip anywhere in the folder, and files are cut: the log refuses, or has all that was acknowledged. Never less.
 */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ZkraftError } from '../../../src/common/index.ts';
import { freshDir } from './log-beds.ts';
import { boot, change, type Folder, filesOf, makeFolder } from './rotting-folder.ts';

/** mulberry32: the places must be the same at each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Outcome = 'refused' | 'whole';

async function outcomeOf(folder: Folder, dir: string, what: string): Promise<Outcome> {
  try {
    const found = await boot(dir);
    assert.deepEqual(found.entries, folder.acknowledged.entries, what);
    assert.deepEqual(found.state, folder.acknowledged.state, what);
    return 'whole';
  } catch (error) {
    if (!(error instanceof ZkraftError)) throw error;
    assert.equal(error.code, 'log_corrupt', `${what}: ${error.message}`);
    assert.match(error.message, /is damaged: .+remove this node from the cluster.+recover --force-new-cluster/s, what);
    // Refused once, refused again: nothing was quietly repaired meanwhile.
    await assert.rejects(boot(dir), (again) => again instanceof ZkraftError && again.code === 'log_corrupt', what);
    return 'refused';
  }
}

for (const closed of [true, false]) {
  test(`a flipped bit anywhere ${closed ? 'after a clean close' : 'after a kill'} is refused or does no harm`, async () => {
    const random = seeded(closed ? 71 : 72);
    const folder = await makeFolder(closed);
    assert.deepEqual((await boot(await copyOf(folder))).entries, folder.acknowledged.entries, 'undamaged');
    const seen = { refused: 0, whole: 0 };
    for (const { name, bytes } of await filesOf(folder.dir)) {
      // Small files at many places, large ones at some.
      const flips = /LOG(\.old)?$/.test(name) ? 2 : 24;
      for (let i = 0; i < flips; i += 1) {
        const [position, bit] = [Math.floor(random() * bytes), Math.floor(random() * 8)];
        const dir = await copyOf(folder);
        await change(join(dir, name), (content) => {
          content[position] = (content[position] ?? 0) ^ (1 << bit);
          return content;
        });
        seen[await outcomeOf(folder, dir, `bit ${bit} of byte ${position} of ${name}`)] += 1;
      }
    }
    assert.ok(seen.refused > 30 && seen.whole > 10, JSON.stringify(seen));
  });

  test(`a file cut short anywhere ${closed ? 'after a clean close' : 'after a kill'} is refused or does no harm`, async () => {
    const random = seeded(closed ? 73 : 74);
    const folder = await makeFolder(closed);
    const seen = { refused: 0, whole: 0 };
    for (const { name, bytes } of await filesOf(folder.dir)) {
      for (const length of [0, Math.floor(random() * bytes), bytes - 1]) {
        const dir = await copyOf(folder);
        await change(join(dir, name), (content) => content.subarray(0, length));
        seen[await outcomeOf(folder, dir, `${name} cut to ${length} of ${bytes} bytes`)] += 1;
      }
    }
    assert.ok(seen.refused > 10, JSON.stringify(seen));
  });
}

async function copyOf(folder: Folder): Promise<string> {
  const dir = await freshDir();
  await cp(folder.dir, dir, { recursive: true });
  return dir;
}
