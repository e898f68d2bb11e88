import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from './source-tree.ts';

/** `npm test` in a tree with just these test files, where nothing is to install or build. */
function npmTest(tests: Readonly<Record<string, string>>): number | null {
  const tree = mkdtempSync(join(tmpdir(), 'zkraft-scripts-'));
  try {
    mkdirSync(join(tree, 'scripts'));
    mkdirSync(join(tree, 'test'));
    copyFileSync(join(ROOT, 'scripts/test.mjs'), join(tree, 'scripts/test.mjs'));
    copyFileSync(join(ROOT, 'scripts/bootstrap.mjs'), join(tree, 'scripts/real.mjs'));
    const bootstrap = "export * from './real.mjs';\nexport const bootstrap = () => {};\n";
    writeFileSync(join(tree, 'scripts/bootstrap.mjs'), bootstrap);
    symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(tree, 'node_modules'));
    for (const [name, text] of Object.entries(tests)) writeFileSync(join(tree, 'test', name), text);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    return spawnSync(process.execPath, ['scripts/test.mjs'], { cwd: tree, env, stdio: 'ignore' }).status;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

const test = (body: string): string => `import { test } from 'node:test';\ntest('one', () => {${body}});\n`;

describe('npm test', () => {
  it('fails when a test fails, and passes when all pass', () => {
    assert.equal(npmTest({ 'good.test.ts': test('') }), 0);
    assert.equal(npmTest({ 'good.test.ts': test(''), 'bad.test.ts': test("throw new Error('red')") }), 1);
    assert.equal(npmTest({ 'broken.test.ts': 'this is no program' }), 1);
  });

  it('fails when there is nothing to run', () => {
    assert.equal(npmTest({ 'only.slow.test.ts': test('') }), 2);
  });
});
