import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { packageOf, read, sourceFiles } from './source-tree.ts';

const GPL = [
  'snarkjs',
  'circomlibjs',
  'circomlib',
  'circom2',
  'ffjavascript',
  'wasmcurves',
  'wasmbuilder',
  'circom_runtime',
];

/** The lazy adapters: who may load which of them. */
const ADAPTERS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^src\/prover\/snarkjs\//, ['snarkjs', 'circomlibjs']],
  [/^src\/prover\/circuits\//, ['circom2', 'circomlib']],
  [/^src\/prover\/setup\/phase2[^/]*\.ts$/, ['snarkjs']],
  // Baselines of the benchmarks.
  [/^bench\/prover\/snarkjs-curve\.ts$/, ['snarkjs']],
  [/^bench\/prover\/circomlibjs\.ts$/, ['circomlibjs']],
  [/^bench\/prover\/field\/wasmcurves\.ts$/, ['ffjavascript', 'wasmcurves', 'wasmbuilder']],
];

const gplImports = sourceFiles().flatMap((file) =>
  file.imports.filter((i) => GPL.includes(packageOf(i.specifier))).map((i) => ({ path: file.path, ...i })),
);

describe('GPL packages', () => {
  it('are imported by the lazy adapters alone', () => {
    const wrong = gplImports.filter(
      ({ path, specifier }) =>
        !ADAPTERS.some(([where, names]) => where.test(path) && names.includes(packageOf(specifier))),
    );
    assert.deepEqual(
      wrong.map((i) => `${i.path} imports ${i.specifier}`),
      [],
    );
    assert.ok(
      gplImports.some((i) => packageOf(i.specifier) === 'snarkjs'),
      'this test sees the import of snarkjs',
    );
  });

  it('are loaded only when they are used', () => {
    const eager = gplImports.filter((i) => !i.dynamic && !i.typeOnly);
    assert.deepEqual(
      eager.map((i) => `${i.path} imports ${i.specifier} at start`),
      [],
    );
  });

  it('are not reached from raft, client, common', () => {
    const wrong = gplImports.filter((i) => /^src\/(raft|client|common)\//.test(i.path));
    assert.deepEqual(wrong, []);
  });

  it('are named in NOTICE and README, with their licence', () => {
    for (const name of ['snarkjs', 'circomlibjs', 'circomlib', 'circom2']) {
      assert.match(read('NOTICE'), new RegExp(`\\b${name}\\b`));
      assert.match(read('README.md'), new RegExp(`\\b${name}\\b`));
    }
    assert.match(read('README.md'), /GPL-3\.0/);
  });

  it('are all of the GPL packages among the direct dependencies', () => {
    const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
    const direct = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    const gpl = direct.filter((name) => {
      try {
        return /GPL/.test(
          String((JSON.parse(read(`node_modules/${name}/package.json`)) as { license?: string }).license),
        );
      } catch {
        return false;
      }
    });
    assert.deepEqual(
      gpl.filter((name) => !GPL.includes(name)),
      [],
    );
  });
});
