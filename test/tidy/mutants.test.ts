import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { mutantList } from '../../scripts/docs/mutants.ts';
import { withMutant } from '../../scripts/scratch-tree.mjs';
import { brokenPatches, missingTests, patchesUnder } from './patches.ts';
import { ROOT } from './source-tree.ts';

const FOLDER = 'test/raft/mutants';
const { mutants } = mutantList();

describe('every mutant of Raft', () => {
  it('has a patch that applies and touches Raft alone', () => {
    const patches = mutants.map(({ patch }) => patch);
    assert.deepEqual(
      brokenPatches(FOLDER, patches, (path) => path.startsWith('src/raft/') && !path.startsWith('src/raft/sim/')),
      [],
    );
  });

  it('is listed, once, in the order of its patches', () => {
    assert.deepEqual(
      mutants.map(({ patch }) => patch),
      patchesUnder(FOLDER),
    );
    for (const [i, { id, patch }] of mutants.entries()) {
      assert.equal(patch, `${String(i + 1).padStart(2, '0')}-${id}.patch`);
    }
  });

  it('names a test of the units that exists, and what it says when it is red', () => {
    const tests = mutants.map(({ caughtBy }) => caughtBy);
    assert.deepEqual(missingTests(tests), []);
    assert.deepEqual(
      tests.filter(({ test }) => !/^test\/raft\/(core|node|storage)\//.test(test)),
      [],
    );
    for (const { id, caughtBy } of mutants) assert.ok(caughtBy.says.length > 3 && new RegExp(caughtBy.says), id);
  });
});

describe('a copy of Raft with a mutant in it', () => {
  it('has the mistake, loads, and is gone afterwards', async () => {
    const path = 'src/raft/core/quorum.ts';
    const root = await withMutant('joint-commit-by-one-half', (copy) => {
      assert.notEqual(readFileSync(join(copy, path), 'utf8'), readFileSync(join(ROOT, path), 'utf8'));
      const program = `import { quorumIndex } from './${path}';
        const halves = { voters: new Set([1]), outgoing: new Set([2]) };
        await import('./src/raft/index.ts');
        process.stdout.write(String(quorumIndex(halves, (id) => (id === 1 ? 7 : 3))));`;
      const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
      const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
      assert.equal(stdout, '7', stderr);
      return copy;
    });
    assert.equal(existsSync(root), false);
  });

  it('is gone when the work fails, too', async () => {
    let root = '';
    const work = (copy: string): never => {
      root = copy;
      throw new Error('no use');
    };
    await assert.rejects(withMutant('two-votes-a-term', work), /no use/);
    assert.deepEqual([root === '', existsSync(root)], [false, false]);
    await assert.rejects(withMutant('nothing', work), /no mutant is called "nothing"; there are: vote-not-persisted, /);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    it(`is gone when ${signal} ends the process`, async () => {
      const program = `import { withMutant } from './scripts/scratch-tree.mjs';
        await withMutant('commit-not-capped', (root) => {
          process.stdout.write(root);
          return new Promise((resolve) => setTimeout(resolve, 600_000));
        });`;
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: ROOT });
      const root = await new Promise<string>((resolve, reject) => {
        child.stdout.once('data', (chunk) => resolve(String(chunk)));
        child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
      });
      assert.equal(existsSync(join(root, 'src/raft/core/log.ts')), true);
      const code = await new Promise((resolve) => {
        child.removeAllListeners('exit').once('exit', resolve);
        child.kill(signal);
      });
      assert.deepEqual([code, existsSync(root)], [128 + { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[signal], false]);
    });
});
