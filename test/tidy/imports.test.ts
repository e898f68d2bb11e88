import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sourceFiles } from './source-tree.ts';

/** Folder of src/ (and bench/) by folder: what it may import. Arrows point down the house, never up. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  common: [],
  config: ['common'],
  certs: ['common'],
  raft: ['common'],
  prover: ['common'],
  client: ['common'],
  store: ['prover', 'common'],
  worker: ['prover', 'common'],
  gateway: ['store', 'prover', 'common'],
  coordinator: ['store', 'raft', 'prover', 'common'],
  launch: ['gateway', 'worker', 'coordinator', 'store', 'raft', 'prover', 'certs', 'config', 'common'],
  bench: ['launch', 'worker', 'certs', 'prover', 'raft', 'common'],
  cli: ['launch', 'client', 'certs', 'store', 'prover', 'config', 'common', 'bench'],
};

/** Ways into a folder from outside, besides its index.ts. */
const DOORS = new Set([
  'src/common/logging/index.ts',
  'src/common/rpc/index.ts',
  'src/common/http/index.ts',
  'src/common/metrics/index.ts',
  'src/common/core.ts',
  'src/prover/types.ts',
  'src/prover/artifacts/types.ts',
  'src/prover/formats/snarkjs-json.ts',
  'src/raft/replicated-log.ts',
  'src/store/types.ts',
]);

/** `src/prover/x.ts` is of prover, `bench/x.ts` of bench. */
const folderOf = (path: string): string => path.split('/')[path.startsWith('src/') ? 1 : 0] ?? '';
const doorOf = (path: string): string =>
  path.startsWith('src/') ? `src/${folderOf(path)}/index.ts` : 'bench/index.ts';
const isOurs = (path: string | undefined): path is string => path !== undefined && /^(src|bench)\//.test(path);
const files = sourceFiles();

describe('imports', () => {
  it('point one way through the house', () => {
    const wrong = files.flatMap((file) =>
      file.imports
        .filter((i) => isOurs(i.target))
        .map((i) => ({
          from: folderOf(file.path),
          to: folderOf(i.target as string),
          what: `${file.path} -> ${i.target}`,
        }))
        .filter(({ from, to }) => from !== to && !MAY_IMPORT[from]?.includes(to))
        .map(({ what }) => what),
    );
    assert.deepEqual(wrong, []);
  });

  it('know every folder', () => {
    assert.deepEqual(
      [...new Set(files.map((file) => folderOf(file.path)))].filter((folder) => !(folder in MAY_IMPORT)),
      [],
    );
  });

  it('enter another folder by its door', () => {
    const wrong = files.flatMap((file) =>
      file.imports
        .map((i) => i.target)
        .filter(isOurs)
        .filter((target) => folderOf(target) !== folderOf(file.path))
        .filter((target) => !DOORS.has(target) && target !== doorOf(target))
        // What is measured lies beneath the prover's own door.
        .filter((target) => !(file.path.startsWith('bench/') && /^src\/prover\/[a-z]+\/index\.ts$/.test(target)))
        .map((target) => `${file.path} -> ${target}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('load the benchmarks only when one is run', () => {
    const eager = files
      .filter((file) => !file.path.startsWith('bench/'))
      .flatMap((file) => file.imports.filter((i) => i.target?.startsWith('bench/')).map((i) => ({ file, ...i })));
    assert.deepEqual(
      eager.filter((i) => !i.dynamic).map((i) => i.file.path),
      [],
    );
    assert.deepEqual([...new Set(eager.map((i) => i.file.path))], ['src/cli/commands/bench.ts']);
  });

  it('leave the pure cores without I/O, clock and chance', () => {
    const pure = files.filter((file) => file.path.startsWith('src/coordinator/state/'));
    assert.ok(pure.length > 0);
    for (const file of pure) {
      const outside = file.imports.filter(
        (i) => i.target === undefined || !/^src\/(common|coordinator\/state)\//.test(i.target),
      );
      assert.deepEqual(
        outside.map((i) => i.specifier),
        [],
        file.path,
      );
      assert.doesNotMatch(
        file.text,
        /Date\.now|new Date\(\)|Math\.random|performance\.now|randomBytes|randomUUID|setTimeout|setInterval|process\./,
        file.path,
      );
    }
  });

  it('keep settings to the command line and the launchers; others read PATH alone', () => {
    const readers = files.filter((file) => /\bprocess\.env\b(?!\.PATH\b)/.test(file.text)).map((file) => file.path);
    assert.deepEqual(
      readers.filter((path) => !/^src\/(cli|launch)\//.test(path)),
      [],
    );
  });
});
