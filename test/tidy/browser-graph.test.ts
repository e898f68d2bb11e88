/** What a browser loads for `zkraft/verifier` has nothing of Node in it, nor a package: in the source, and as built. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Import, importsOf, ROOT, read, withoutComments } from './source-tree.ts';

const MANIFEST = JSON.parse(read('package.json')) as {
  exports: Record<string, Record<string, string>>;
};
/** Globals that Node has and a page has not; and those that a page has only under headers of its server's. */
const FOREIGN = /(?<![.\w])(Buffer|process|setImmediate|require|__dirname|__filename|SharedArrayBuffer|Atomics)\s*[.(]/;

interface Walked {
  readonly files: readonly string[];
  /** `file imports x`. */
  readonly outside: readonly string[];
  readonly foreign: readonly string[];
}

function walk(entry: string, follows: (one: Import) => boolean): Walked {
  const files = new Set<string>();
  const outside: string[] = [];
  const foreign: string[] = [];
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (files.has(path) || !/\.(ts|js)$/.test(path)) continue;
    files.add(path);
    const text = read(path);
    const global = FOREIGN.exec(withoutComments(text))?.[1];
    if (global) foreign.push(`${path} uses ${global}`);
    for (const one of importsOf(path, text).filter(follows)) {
      if (one.target === undefined) outside.push(`${path} imports ${one.specifier}`);
      // Declarations name each other by their sources.
      else queue.push(path.endsWith('.d.ts') ? one.target.replace(/\.ts$/, '.d.ts') : one.target);
    }
  }
  return { files: [...files], outside, foreign };
}

function assertSelfContained({ files, outside, foreign }: Walked, contains: RegExp): void {
  assert.deepEqual(outside, []);
  assert.deepEqual(foreign, []);
  assert.ok(
    files.some((path) => contains.test(path)),
    'the walk gets to where the pairing is computed',
  );
}

describe('the verifier for browsers', () => {
  const all = (): boolean => true;

  it('imports no module of Node and no package, not even for types', () => {
    assertSelfContained(walk('src/prover/verifier/index.ts', all), /wasm\/verify\/miller-loop\.ts$/);
  });

  it('is no different as built', () => {
    const { types, default: script } = MANIFEST.exports['./verifier'] as { types: string; default: string };
    assert.ok(existsSync(join(ROOT, script)), `${script} is not built; npm run build`);
    assertSelfContained(walk(script.slice(2), all), /wasm\/verify\/miller-loop\.js$/);
    const declared = walk(types.slice(2), all);
    assert.deepEqual(declared.outside, []);
    assert.ok(declared.files.length > 3, 'the types name others');
  });

  it('finds its kernels where the build puts them', () => {
    const path = 'dist/prover/verifier/kernel-files.js';
    const kernels = importsOf(path, read(path)).flatMap(({ target }) => (target?.endsWith('.wasm') ? [target] : []));
    assert.equal(kernels.length, 2);
    for (const kernel of kernels) assert.ok(existsSync(join(ROOT, kernel)), kernel);
  });

  it('would be caught at it: the door for Node reads files', () => {
    const { outside } = walk('src/prover/verifier/node.ts', ({ typeOnly }) => !typeOnly);
    assert.ok(outside.some((line) => line.includes('node:fs')));
  });
});
