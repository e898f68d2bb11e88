import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { filesUnder, ROOT, read, sourceFiles } from './source-tree.ts';

const files = sourceFiles();
const tests = filesUnder('test', '.ts').map((path) => ({ path, text: read(path) }));
const scripts = filesUnder('scripts').map((path) => ({ path, text: read(path) }));

describe('every source file', () => {
  it('opens with what it is', () => {
    const bare = files.filter((file) => !/^(#!.*\n)?\/\*\*/.test(file.text)).map((file) => file.path);
    assert.deepEqual(bare, []);
  });

  it('is one idea of at most 500 lines', () => {
    const long = files.filter((file) => file.text.split('\n').length > 500).map((file) => file.path);
    assert.deepEqual(long, []);
  });

  it('has a name that says what it is', () => {
    const vague = /^(utils?|helpers?|manager|data|misc|stuff|tools?)\b/;
    assert.deepEqual(
      [...files, ...tests].map((file) => file.path).filter((path) => vague.test(basename(path))),
      [],
    );
  });

  it('is reachable from an entry point', () => {
    const entries = [
      'src/cli/main.ts',
      'src/prover/index.ts',
      'src/prover/verifier/index.ts',
      'src/prover/verifier/node.ts',
      'src/client/index.ts',
      'src/prover/kernels/generator/generate.ts',
      // npm run sim
      'src/raft/sim/index.ts',
    ];
    const byPath = new Map(files.map((file) => [file.path, file]));
    const reached = new Set<string>();
    const queue = [...entries];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (reached.has(path)) continue;
      reached.add(path);
      for (const { target } of byPath.get(path)?.imports ?? []) if (target) queue.push(target);
    }
    // The entry of a thread or a process is named as a string where it is started, not imported.
    const named = (path: string): boolean =>
      files.some(
        (file) => reached.has(file.path) && new RegExp(`['"\`/]${basename(path, '.ts')}['"\`.]`).test(file.text),
      );
    for (let grew = true; grew; ) {
      grew = false;
      for (const file of files) {
        if (reached.has(file.path) || !/thread|process/.test(basename(file.path)) || !named(file.path)) continue;
        reached.add(file.path);
        for (const { target } of file.imports) if (target) reached.add(target);
        grew = true;
      }
    }
    assert.deepEqual(
      files.map((file) => file.path).filter((path) => !reached.has(path)),
      [],
    );
  });

  it('leaves nothing for later', () => {
    const unfinished = /\b(TODO|FIXME|XXX|HACK)\b|not implemented|@ts-ignore|@ts-nocheck|biome-ignore|\bas any\b/i;
    const marked = [...files, ...scripts].filter((file) => unfinished.test(file.text)).map((file) => file.path);
    assert.deepEqual(marked, []);
  });

  it('speaks of no machine in particular', () => {
    const paths = /(["'`\s(])\/(home|root|work|Users)\/[a-z]/;
    const marked = [...files, ...scripts, ...tests.filter((t) => !t.path.startsWith('test/tidy/'))].filter((f) =>
      paths.test(f.text),
    );
    assert.deepEqual(
      marked.map((file) => file.path),
      [],
    );
  });

  it('writes through the logger or the terminal', () => {
    const loud = files.filter((file) => /\bconsole\.(log|error|warn|info)\(/.test(file.text)).map((file) => file.path);
    assert.deepEqual(loud, []);
  });
});

describe('every test', () => {
  it('can run: none is skipped for good, none alone', () => {
    const marked = tests
      .filter((t) => /\b(it|test|describe)\.(only|todo|skip)\(|skip: true/.test(t.text))
      .map((t) => t.path);
    assert.deepEqual(
      marked.filter((path) => !path.startsWith('test/tidy/')),
      [],
    );
  });
});

describe('every folder', () => {
  it('of src, and each at the top, has a README', () => {
    const folders = [
      ...readdirSync(join(ROOT, 'src')).map((name) => `src/${name}`),
      'circuits',
      'proto',
      'bench',
      'docker',
      'test',
      'docs',
      'examples',
    ];
    assert.deepEqual(
      folders.filter((folder) => !existsSync(join(ROOT, folder, 'README.md'))),
      [],
    );
  });
});

describe('every dependency', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
  const runtime = Object.keys(manifest.dependencies ?? {});
  const all = [...runtime, ...Object.keys({ ...manifest.optionalDependencies, ...manifest.devDependencies })];

  it('has a line in CONTRIBUTING that says why it is there', () => {
    const page = read('CONTRIBUTING.md');
    assert.deepEqual(
      all.filter((name) => !page.includes(`\`${name}\``)),
      [],
    );
  });

  it('of a running zkraft is used by it', () => {
    const texts = [
      ...files.map((file) => file.text),
      ...filesUnder('circuits', '.circom').map(read),
      read('src/common/rpc/gen/zkraft/v1/worker.ts'),
    ];
    const used = (name: string): boolean =>
      texts.some((text) => new RegExp(`['"\`/]${name.replaceAll('/', '\\/')}['"\`/]`).test(text));
    assert.deepEqual(
      runtime.filter((name) => !used(name)),
      [],
    );
  });
});
