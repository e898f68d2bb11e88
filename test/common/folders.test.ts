import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeFolder } from '../../src/common/index.ts';

describe('folders', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'zkraft-folders-'));
  });
  after(() => rm(dir, { recursive: true }));

  it('are made with the parents that are missing, by several at once too', async () => {
    for (let round = 0; round < 50; round++) {
      const parent = join(dir, `${round}`, 'proofs');
      const paths = Array.from({ length: 8 }, (_, i) => join(parent, `${i}`));
      await makeFolder(join(dir, `${round}`));
      // The parent comes into being after the first of them has missed it.
      await Promise.all([...paths, parent, ...paths].map((path) => makeFolder(path)));
      for (const path of paths) assert.ok((await stat(path)).isDirectory(), path);
    }
  });

  it('are not made through a file, nor where the system makes none', async () => {
    const file = join(dir, 'file');
    await writeFile(file, '');
    await assert.rejects(makeFolder(file), { code: 'EEXIST' });
    await assert.rejects(makeFolder(join(file, 'below')), { code: 'ENOTDIR' });
    if (process.platform === 'linux') await assert.rejects(makeFolder('/proc/zkraft/below'), { code: 'ENOENT' });
  });
});
