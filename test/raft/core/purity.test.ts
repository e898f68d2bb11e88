import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sourceFiles } from '../../tidy/source-tree.ts';

const core = sourceFiles(['src/raft/core', 'src/raft']).filter(
  ({ path }) => path.startsWith('src/raft/core/') || path === 'src/raft/types.ts',
);

/** Clock, chance, I/O and the event loop: whatever makes two runs differ. */
const IMPURE =
  /\b(?:Date|performance|process|globalThis|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|crypto|console)\b\s*[.(]|Math\.random|\bawait\b|\basync\b(?!Storage)\s*(?:\(|function|\w+\s*=>)|\bnew (?:Promise|Worker|Date)\b/;

const withoutComments = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*$/gm, '');

describe('the Raft core', () => {
  it('is found by this test', () => {
    assert.ok(core.length > 20, `${core.length} files`);
    assert.equal(
      core.some(({ path }) => path.endsWith('/raw-node.ts')),
      true,
    );
  });

  it('imports itself and the types of consensus, and nothing else', () => {
    const outside = core.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target === undefined || !/^src\/raft\/(core\/[\w-]+|types)\.ts$/.test(target))
        .map(({ specifier }) => `${path} -> ${specifier}`),
    );
    assert.deepEqual(outside, []);
  });

  it('has no clock, no chance, no I/O and never waits', () => {
    const impure = core
      .map(({ path, text }) => ({ path, found: IMPURE.exec(withoutComments(text))?.[0] }))
      .filter(({ found }) => found !== undefined);
    assert.deepEqual(impure, []);
  });

  it('is checked by a pattern that sees what it must', () => {
    for (const line of [
      'const now = Date.now();',
      'new Date()',
      'Math.random()',
      'setTimeout(() => {}, 1)',
      'process.env.X',
      'await storage.read()',
      'async () => {}',
      'performance.now()',
      'crypto.randomUUID()',
      'new Promise((resolve) => resolve())',
    ])
      assert.match(line, IMPURE, line);
    assert.doesNotMatch('asyncStorageWrites: false', IMPURE);
  });
});
