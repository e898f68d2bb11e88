/** The images, as far as a Dockerfile tells without a builder: what is in them, as whom they run, what they run. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { validate } from 'dockerfile-utils';
import { SETTINGS } from '../../src/config/index.ts';
import { ROOT } from '../support/cli.ts';
import { copyOf, DOCKERFILE, imageOf, readStages, words } from './dockerfile.ts';
import { environmentProblems } from './settings.ts';

const text = readFileSync(join(ROOT, DOCKERFILE), 'utf8');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const stages = readStages();
const TARGETS = ['coordinator', 'gateway', 'worker'] as const;
const instructions = stages.flatMap((stage) => stage.instructions.map((instruction) => ({ stage, instruction })));

/** Where each listens for its health, by the table of settings. */
const HEALTH_PORTS = {
  coordinator: SETTINGS['coordinator.http_port'].default,
  gateway: SETTINGS['server.port'].default,
  worker: SETTINGS['metrics.port'].default,
};
const OTHER_PORTS = {
  coordinator: [SETTINGS['coordinator.grpc_port'].default, SETTINGS['coordinator.raft.raft_port'].default],
  gateway: [],
  worker: [],
};

describe('the Dockerfile', () => {
  it('is well formed', () => {
    assert.deepEqual(
      validate(text).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`),
      [],
    );
  });

  it('builds on one image of an exact version, small, and named once', () => {
    const bases = new Set(stages.map(({ from }) => from).filter((from) => !stages.some(({ name }) => name === from)));
    assert.equal(bases.size, 1, [...bases].join(', '));
    assert.match([...bases][0] ?? '', /^node:\d+\.\d+\.\d+-bookworm-slim(@sha256:[0-9a-f]{64})?$/);
    const { labels, base } = imageOf('coordinator');
    assert.equal(labels['org.opencontainers.image.base.name'], `docker.io/library/${base.split('@')[0]}`);
  });

  it('fetches nothing but packages that the lock file names, and runs no script of theirs', () => {
    const keywords = instructions.map(({ instruction }) => instruction.getKeyword());
    assert.ok(!keywords.includes('ADD'));
    const runs = instructions
      .filter(({ instruction }) => instruction.getKeyword() === 'RUN')
      .map(({ instruction }) => instruction.getArgumentsContent() ?? '');
    for (const run of runs) {
      assert.doesNotMatch(run, /\b(curl|wget|apt-get|apk|npx|npm (install|i|exec))\b/);
      if (/\bnpm ci\b/.test(run)) assert.match(run, /npm ci .*--ignore-scripts/);
    }
    assert.equal(runs.filter((run) => /\bnpm ci\b/.test(run)).length, 2);
  });

  it('copies only what is there, and what .dockerignore lets in', () => {
    const sources = instructions
      .filter(({ instruction }) => instruction.getKeyword() === 'COPY')
      .map(({ instruction }) => copyOf(instruction))
      .filter(({ from }) => from === undefined)
      .flatMap((copy) => copy.sources);
    assert.deepEqual(
      sources.filter((source) => !existsSync(join(ROOT, source))),
      [],
    );
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    assert.equal(ignored[0], '*', 'it begins with nothing at all');
    const letIn = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    assert.deepEqual([...new Set(letIn)].sort(), [...new Set(sources)].sort());
    assert.ok(letIn.every((path) => /^[\w./-]+$/.test(path) && !/^(\.|docker$|docker\/secrets)/.test(path)));
  });

  it('copies from stages that are above, what they make', () => {
    for (const { stage, instruction } of instructions.filter((one) => one.instruction.getKeyword() === 'COPY')) {
      const { from } = copyOf(instruction);
      if (from === undefined) continue;
      const above = stages.findIndex(({ name }) => name === from);
      assert.ok(above >= 0 && above < stages.indexOf(stage), `${stage.name} copies from ${from}`);
    }
  });
});

for (const target of TARGETS) {
  describe(`the image of a ${target}`, () => {
    const image = imageOf(target);

    it('has packages without the ones for development, and the compiled program, and no source', () => {
      const packages = stages.find(({ name }) => name === 'packages');
      const run = packages?.instructions.find((one) => one.getKeyword() === 'RUN')?.getArgumentsContent() ?? '';
      assert.match(run, /--omit=dev/);
      const from = image.copies.filter((copy) => copy.from !== undefined).map((copy) => `${copy.from} ${copy.target}`);
      assert.deepEqual(from, ['packages node_modules', 'build dist']);
      assert.ok(
        !image.copies.some(({ sources }) => sources.some((source) => /^(src|test|scripts|bench)/.test(source))),
      );
    });

    it('runs as a user with a number, who is not root, to the end of the file', () => {
      assert.match(image.user, /^[1-9]\d{3,}:[1-9]\d{3,}$/);
    });

    it(`runs zkraft ${target} as its only process, which gets the signals`, () => {
      assert.deepEqual(image.entrypoint, ['node', 'dist/cli/main.js']);
      assert.deepEqual(image.cmd, [target]);
      assert.equal(image.stopSignal, 'SIGTERM');
      assert.equal(image.workdir, '/opt/zkraft');
      assert.ok(image.copies.some(({ sources }) => sources.some((source) => source.endsWith('/dist'))));
    });

    it('asks for its health where it listens, whether the process lives, with what is in the image', () => {
      const [command, program = '', url] = image.healthcheck;
      assert.equal(command, 'node');
      assert.ok(image.copies.some(({ from, sources }) => from === undefined && sources.includes(program)));
      assert.equal(url, `http://127.0.0.1:${HEALTH_PORTS[target]}/livez`);
    });

    it('says which ports it listens on', () => {
      assert.deepEqual([...image.ports].sort(), [HEALTH_PORTS[target], ...OTHER_PORTS[target]].sort());
    });

    it('sets nothing that is not a setting, and no secret; and of the runtime what keeps memory small', () => {
      const { MALLOC_ARENA_MAX, NODE_OPTIONS, ...settings } = image.env;
      assert.deepEqual(environmentProblems(settings), []);
      assert.equal(MALLOC_ARENA_MAX, '2');
      assert.equal(NODE_OPTIONS, target === 'coordinator' ? '--max-semi-space-size=4' : undefined);
      assert.ok(Object.keys(image.env).length > 0);
    });

    it('says what it is: version and licences', () => {
      assert.equal(image.labels['org.opencontainers.image.version'], manifest.version);
      assert.equal(image.labels['org.opencontainers.image.licenses'], 'MIT AND GPL-3.0-only');
      for (const file of ['LICENSE', 'NOTICE']) {
        assert.ok(
          image.copies.some(({ sources }) => sources.includes(file)),
          file,
        );
      }
    });
  });
}

describe('the folders that volumes take the place of', () => {
  it('are made for the user of the images, and are those of the settings', () => {
    const runtime = stages.find(({ name }) => name === 'runtime');
    const runs = runtime?.instructions.filter((one) => one.getKeyword() === 'RUN') ?? [];
    const made = runs.flatMap((one) => words(one)).filter((word) => word.startsWith('/var/lib/zkp/'));
    const image = imageOf('worker');
    assert.deepEqual(made.sort(), [image.env.DATA_DIR, SETTINGS['coordinator.raft.raft_dir'].default].sort());
    const [user, group] = image.user.split(':');
    const run = runs.map((one) => one.getArgumentsContent()).join('\n');
    assert.match(run, new RegExp(`--owner ${user} --group ${group}\\b`));
  });
});
