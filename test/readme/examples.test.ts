/** Every program in examples/ runs as it stands, and says what it says it does. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Hash2, SmallMerkleTree } from '../../src/prover/merkle/index.ts';
import { ROOT } from '../support/cli.ts';
import { oraclePoseidon } from '../support/merkle-circuits.ts';

/** What each prints, by its name. */
const EXPECTED: Readonly<Record<string, (hash: Hash2) => string>> = {
  'tree.ts': (hash) => {
    const leaves = (JSON.parse(readFileSync(join(ROOT, 'examples/leaves.json'), 'utf8')) as string[]).map(BigInt);
    const { root, siblings } = new SmallMerkleTree(hash, leaves, 20).path(3);
    return [
      `Leaf 3: ${leaves[3]}`,
      ...siblings.map((sibling, height) => `  ${String(height).padStart(2)}  ${sibling}`),
      `Root: ${root}`,
      `With 13 leaves: ${new SmallMerkleTree(hash, [...leaves, 31n], 20).root}`,
      '',
    ].join('\n');
  },
};

describe('the examples', () => {
  it('run as they stand, and are what circomlibjs comes to', async () => {
    const hash = await oraclePoseidon();
    const programs = readdirSync(join(ROOT, 'examples')).filter((name) => name.endsWith('.ts'));
    assert.deepEqual(programs, Object.keys(EXPECTED));
    for (const name of programs) {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', join('examples', name)], {
        cwd: ROOT,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      assert.equal(stdout, EXPECTED[name]?.(hash));
    }
  });
});
