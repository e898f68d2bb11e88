import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type DevProcess, ROOT, startDev, zkraft } from '../support/cli.ts';

interface Block {
  readonly language: string;
  readonly code: string;
}

function blocksOf(path: string): Block[] {
  return [...readFileSync(join(ROOT, path), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] as string,
    code: match[2] as string,
  }));
}

/** Commands of a shell block, continued lines joined, comments gone. */
const commandsOf = (code: string): string[] =>
  code
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

const readme = blocksOf('README.md');
const dataDir = mkdtempSync(join(tmpdir(), 'zkraft-readme-'));
/** These are run by whoever tests a clone, this test among them. */
const WHOLE = ['npm run demo', 'npm test', 'npm start'];
/** These are run by `test/launch/cluster.slow.test.ts`: the first of them goes on until it is told to stop. */
const CLUSTER = ['npm run -s zkraft -- cluster up', 'npm run -s zkraft -- cluster status'];
const COMMAND_MS = 240_000;

describe('the README', () => {
  let network: DevProcess;
  let taskId = '';
  const shell = (command: string): { code: number | null; out: string } => {
    const here = command
      .replaceAll('http://127.0.0.1:8080', network.gatewayUrl)
      .replaceAll('./proofs', join(dataDir, 'proofs'))
      .replaceAll('./proof', join(dataDir, 'proof'));
    const short = here.startsWith('npm run bench') ? `${here} --runs 1 --launches 1` : here;
    const { status, stdout, stderr } = spawnSync('sh', ['-c', short], {
      cwd: ROOT,
      encoding: 'utf8',
      timeout: COMMAND_MS,
      env: { ...process.env, TASK_ID: taskId, ZKRAFT_URL: network.gatewayUrl, ZKRAFT_DATA_DIR: dataDir },
    });
    return { code: status, out: `${stdout}${status === 0 ? '' : stderr}` };
  };

  before(async () => {
    network = await startDev(join(dataDir, 'network'));
  });
  after(async () => {
    await network?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('has shell commands that all succeed', () => {
    const commands = readme.filter((block) => block.language === 'sh').flatMap((block) => commandsOf(block.code));
    const scripts = (
      JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    ).scripts;
    const seen = { whole: 0, cluster: 0, curl: 0, zkraft: 0, bench: 0 };
    for (const command of commands) {
      if (CLUSTER.includes(command)) {
        seen.cluster += 1;
        continue;
      }
      if (WHOLE.includes(command)) {
        seen.whole += 1;
        assert.ok(scripts[command.replace(/^npm (run )?/, '')], command);
        continue;
      }
      const { code, out } = shell(command);
      assert.equal(code, 0, `${command}\n${out}`);
      if (command.startsWith('curl')) {
        seen.curl += 1;
        const answer = JSON.parse(out) as { success: boolean; task_id: string; status: string };
        assert.equal(answer.success, true, out);
        if (taskId !== '') assert.equal(answer.status, 'completed', out);
        taskId = answer.task_id;
      } else if (command.startsWith('npm run bench')) seen.bench += 1;
      else seen.zkraft += 1;
    }
    assert.deepEqual(seen, { whole: 3, cluster: 2, curl: 2, zkraft: 4, bench: 1 });
  });

  it('shows the answer to a submit as it is', () => {
    const shown = JSON.parse((readme.find((block) => block.language === 'json') as Block).code) as Record<
      string,
      unknown
    >;
    const { out } = shell(
      `curl -s http://127.0.0.1:8080/api/v1/tasks/merkle -H 'content-type: application/json' -d '{"leaves":["9"],"leaf_index":0}'`,
    );
    const real = JSON.parse(out) as Record<string, unknown>;
    assert.deepEqual(Object.keys(shown).sort(), Object.keys(real).sort());
    assert.equal(shown.status, real.status);
  });

  it('has programs that run as they stand', () => {
    const programs = readme.filter((block) => block.language === 'ts');
    assert.equal(programs.length, 1);
    // Inside the package, so that `zkraft/client` is this one.
    const folder = join(ROOT, '.zkraft-test');
    mkdirSync(folder, { recursive: true });
    for (const [i, { code }] of programs.entries()) {
      const file = join(folder, `readme-${process.pid}-${i}.mts`);
      writeFileSync(file, code.replaceAll('http://127.0.0.1:8080', network.gatewayUrl));
      try {
        const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', file], {
          cwd: ROOT,
          encoding: 'utf8',
        });
        assert.equal(status, 0, stderr);
        assert.match(stdout, /^completed \[/);
      } finally {
        rmSync(file);
      }
    }
  });
});

describe('the guides', () => {
  it('use commands and flags that exist', async () => {
    const help = new Map<string, string>();
    for (const path of ['docs/guides/operate.md', 'docs/guides/submit.md', 'README.md']) {
      const text = readFileSync(join(ROOT, path), 'utf8').replaceAll(/\\\n\s*/g, '');
      for (const [, name = '', flags = ''] of text.matchAll(
        /zkraft (?:-- )?(dev|gateway|coordinator|worker|migrate|setup|prove|verify|submit|info)\b([^\n`)]*)/g,
      )) {
        if (!help.has(name)) help.set(name, (await zkraft([name, '--help'])).stdout);
        for (const [flag] of flags.matchAll(/--[a-z][a-z-]*/g)) {
          assert.match(
            help.get(name) as string,
            new RegExp(`(^|\\s|\\[)${flag}\\b`, 'm'),
            `${path}: zkraft ${name} ${flag}`,
          );
        }
      }
    }
    assert.ok(help.size >= 6);
  });
});
