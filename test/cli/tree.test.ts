import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Hash2, SmallMerkleTree, verifyPath } from '../../src/prover/merkle/index.ts';
import { ROOT, zkraft } from '../support/cli.ts';
import { oraclePoseidon } from '../support/merkle-circuits.ts';

const folder = mkdtempSync(join(tmpdir(), 'zkraft-cli-tree-'));
const at = (name: string): string => join(folder, name);
const file = (name: string, content: string): string => {
  writeFileSync(at(name), content);
  return at(name);
};
const EXAMPLE = join(ROOT, 'examples/leaves.json');
const leaves = (JSON.parse(readFileSync(EXAMPLE, 'utf8')) as string[]).map(BigInt);

describe('zkraft tree', () => {
  let hash: Hash2;
  before(async () => {
    hash = await oraclePoseidon();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('says what a tree comes to, as circomlibjs does, and writes it to a file', async () => {
    const expected = new SmallMerkleTree(hash, leaves, 20);
    const built = await zkraft([
      'tree',
      'build',
      '--leaves',
      EXAMPLE,
      '--depth',
      '20',
      '--out',
      at('t.json'),
      '--json',
    ]);
    assert.equal(built.code, 0, built.stderr);
    assert.equal(built.stderr, '');
    const { seconds, ...rest } = built.json();
    assert.deepEqual(rest, { success: true, depth: 20, leaf_count: 12, root: expected.root.toString() });
    assert.ok((seconds as number) > 0);
    assert.deepEqual(JSON.parse(readFileSync(at('t.json'), 'utf8')), built.json());

    const root = await zkraft(['tree', 'root', '--leaves', EXAMPLE, '--depth', '20', '--threads', '0']);
    assert.deepEqual([root.code, root.stdout, root.stderr], [0, `${expected.root}\n`, '']);
  });

  it('gives the path of a leaf, from more than one block of leaves too', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => `0x${(i + 1).toString(16)}`);
    const path = ['tree', 'path', '--leaves', file('many.txt', many.join('\n')), '--json'];
    for (const [index, threads] of [
      ['4999', '2'],
      ['4095', '0'],
    ] as const) {
      const run = await zkraft([...path, '--index', index, '--threads', threads]);
      assert.equal(run.code, 0, run.stderr + run.stdout);
      const { root, siblings, leaf, leaf_index, depth, path_bits } = run.json() as {
        root: string;
        siblings: string[];
        leaf: string;
        leaf_index: number;
        depth: number;
        path_bits: number[];
      };
      assert.deepEqual([leaf, leaf_index, depth, siblings.length], [String(Number(index) + 1), Number(index), 16, 16]);
      assert.equal(
        path_bits.reduce((sum, bit, i) => sum + bit * 2 ** i, 0),
        Number(index),
      );
      const found = { root: BigInt(root), siblings: siblings.map(BigInt) };
      assert.ok(verifyPath(hash, BigInt(leaf), leaf_index, found));
    }
    const people = await zkraft(['tree', 'path', '--leaves', EXAMPLE, '--index', '3']);
    assert.equal(people.stdout.split('\n').length, 8 + 3);
  });

  it('refuses with exit code 2 and says what is wrong', async () => {
    const refused = async (args: readonly string[], code: string, field: string, text: RegExp): Promise<void> => {
      const run = await zkraft(['tree', ...args, '--json']);
      assert.equal(run.code, 2, run.stdout);
      const { error } = run.json() as { error: { code: string; field?: string; message: string } };
      assert.deepEqual([error.code, error.field], [code, field]);
      assert.match(error.message, text);
    };
    const bad = file('bad.txt', '1\n\n0\n');
    await refused(['root', '--leaves', bad], 'invalid_leaf', 'leaves[1]', /--leaves \S*bad\.txt, line 3/);
    await refused(['root', '--leaves', at('none')], 'file_not_found', 'leaves', /cannot be read/);
    await refused(['root', '--leaves', EXAMPLE, '--depth', '3'], 'invalid_depth', 'depth', /holds 8 leaves/);
    await refused(['root', '--leaves', EXAMPLE, '--depth', 'x'], 'invalid_depth', 'depth', /--depth x/);
    await refused(['root', '--leaves', EXAMPLE, '--threads', '-1'], 'usage', 'threads', /--threads -1/);
    await refused(['path', '--leaves', EXAMPLE, '--index', '12'], 'invalid_leaf_index', 'leaf_index', /0 to 11/);
    await refused(['path', '--leaves', EXAMPLE, '--index', 'x'], 'invalid_leaf_index', 'index', /--index x/);
    await refused(['root', '--leaves', EXAMPLE, '--out', join(folder, 'no', 'x')], 'file_invalid', 'out', /--out/);
    assert.equal((await zkraft(['tree'])).code, 2);
    assert.equal((await zkraft(['tree', 'root'])).code, 2);
  });

  it('ends with 130 when it is interrupted', { skip: process.platform === 'win32' }, async () => {
    const many = file('long.txt', Array.from({ length: 2 ** 19 }, (_, i) => i + 1).join('\n'));
    const args = [join(ROOT, 'dist/cli/main.js'), 'tree', 'root', '--leaves', many, '--threads', '1'];
    let code: number | null = null;
    // A process that has not got so far as to listen for the signal is ended by it, without a code.
    for (let delayMs = 1500; code === null && delayMs < 30_000; delayMs *= 2) {
      const child = spawn(process.execPath, args, { stdio: 'ignore' });
      const timer = setTimeout(() => child.kill('SIGINT'), delayMs);
      code = await new Promise<number | null>((resolve) => child.on('close', resolve));
      clearTimeout(timer);
    }
    assert.equal(code, 130);
  });
});
