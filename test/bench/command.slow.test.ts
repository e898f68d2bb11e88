import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { BENCHES, type BenchReport, type BenchResult } from '../../bench/index.ts';
import { ROOT, zkraft } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'zkraft-bench-test-'));
const data = ['--data-dir', join(folder, 'data')];
const quick = ['--depth', '2', '--runs', '1', '--launches', '1', ...data];
const stub = join(ROOT, 'test/bench/stub-prover.mjs');
const template = `"${process.execPath}" "${stub}" {zkey} {wtns} {proof} {public}`;

after(() => rmSync(folder, { recursive: true, force: true }));

function checkResult(result: BenchResult): void {
  const keys = Object.keys(result);
  for (const key of ['bench', 'params', 'ours', 'baseline', 'ratio_wall', 'ratio_cpu'])
    assert.ok(keys.includes(key), key);
  for (const side of [result.ours, result.baseline]) {
    assert.ok(side.name.length > 0);
    assert.ok(side.wall_ms > 0 && (side.cpu_ms ?? 0) > 0, JSON.stringify(side));
    assert.ok((side.peak_rss_mb ?? 0) > 10);
    assert.ok(side.spread.wall_ms.min <= side.wall_ms && side.wall_ms <= side.spread.wall_ms.max);
  }
  const near = (a: number | null, b: number): boolean => a !== null && Math.abs(a / b - 1) < 0.01;
  assert.ok(near(result.ratio_wall, result.baseline.wall_ms / result.ours.wall_ms));
  assert.ok(near(result.ratio_cpu, (result.baseline.cpu_ms ?? 0) / (result.ours.cpu_ms ?? 0)));
}

describe('zkraft bench', () => {
  it('makes missing keys, runs every bench, and prints JSON and nothing else', async () => {
    const out = join(folder, 'report.json');
    const run = await zkraft([
      'bench',
      'all',
      ...quick,
      '--threads',
      '1',
      '--vs-binary',
      template,
      '--out',
      out,
      '--json',
    ]);
    assert.equal(run.code, 0, run.stderr + run.stdout);
    assert.equal(run.stderr, '');
    const report = run.json() as unknown as BenchReport;
    assert.deepEqual(Object.keys(report), ['machine', 'node', 'tier', 'results']);
    assert.equal(report.node, process.versions.node);
    assert.deepEqual(
      report.results.map(({ bench, params }) => [
        bench,
        params.group ?? params.operation ?? params.hash ?? params.leaves ?? params.depth,
      ]),
      [
        ['prove', 2],
        ['prove-throughput', 2],
        ['setup', 2],
        ['verify', 2],
        ['verify-batch', 2],
        ['hash', 'poseidon2'],
        ['tree', 2 ** 18],
        ['msm', 'G1'],
        ['msm', 'G2'],
        ['ntt', 2],
        ['field', 'fq-mul'],
        ['field', 'g1-add'],
      ],
    );
    report.results.forEach(checkResult);
    const [prove] = report.results;
    assert.match(prove?.baseline.name ?? '', /^snarkjs \d/);
    assert.ok((prove?.binary?.wall_ms ?? 0) > 0);
    assert.ok((prove?.binary?.ratio_wall ?? 0) > 0);
    if (process.platform === 'linux') {
      assert.ok((prove?.binary?.cpu_ms ?? 0) >= 50, 'a Node that proves takes longer than that');
      assert.ok((prove?.binary?.peak_rss_mb ?? 0) > 40);
    }
    assert.ok(report.results.slice(1).every(({ binary }) => binary === undefined));
    assert.deepEqual(JSON.parse(readFileSync(out, 'utf8')), report);
  });

  it('prints one row named prove, by default on all cores', async () => {
    const run = await zkraft(['bench', 'prove', ...quick, '--json']);
    assert.equal(run.code, 0, run.stderr + run.stdout);
    const { results } = run.json() as unknown as BenchReport;
    assert.deepEqual(
      results.map(({ bench, params }) => [bench, params]),
      [['prove', { depth: 2, threads: availableParallelism() }]],
    );
  });

  it('refuses a wrong command line with exit code 2, before any key is made', async () => {
    const refused = async (args: readonly string[], code: string, field: string): Promise<void> => {
      const run = await zkraft(['bench', ...args, '--json', '--data-dir', join(folder, 'never')]);
      assert.equal(run.code, 2, run.stdout);
      const { error } = run.json() as { error: { code: string; field: string } };
      assert.deepEqual([error.code, error.field], [code, field]);
    };
    await Promise.all([
      refused(['speed'], 'usage', 'name'),
      refused(['prove', '--depth', 'x'], 'invalid_depth', 'depth'),
      refused(['prove', '--vs-binary', 'prover {zkey}'], 'usage', 'vs-binary'),
    ]);
    assert.equal((await zkraft(['bench'])).code, 2);
    assert.equal((await zkraft(['bench', 'prove', '--speed', '9'])).code, 2);
  });

  it('says that a Node cannot be run', async () => {
    const missing = join(folder, 'no-such-program');
    const run = await zkraft(['bench', 'field', '--runs', '1', '--launches', '1', '--node', missing, '--json']);
    assert.equal(run.code, 2, run.stdout);
    const { error } = run.json() as { error: { code: string; field: string; message: string } };
    assert.deepEqual([error.code, error.field], ['file_not_found', 'node']);
    assert.ok(error.message.includes(missing));
  });

  it('gives a report for each Node it is told to use', async () => {
    const nodes = `${process.execPath},${process.execPath}`;
    const run = await zkraft(['bench', 'field', '--runs', '1', '--launches', '1', '--node', nodes, '--json']);
    assert.equal(run.code, 0, run.stdout);
    const reports = run.json() as unknown as BenchReport[];
    assert.deepEqual(
      reports.map(({ node }) => node),
      [process.versions.node, process.versions.node],
    );
  });

  it('ends its processes when it is interrupted', { skip: process.platform === 'win32' }, async () => {
    const main = join(ROOT, 'dist/cli/main.js');
    const args = ['bench', 'field', '--runs', '1000', '--launches', '1', '--json'];
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'ignore'] });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    let children: number[] = [];
    for (let tries = 0; children.length < 2; tries++) {
      assert.ok(tries < 1200 && child.exitCode === null, 'the bench never started both sides');
      await new Promise((r) => setTimeout(r, 50));
      children = childrenOf(child.pid as number);
    }
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    for (let tries = 0; children.some(isAlive) && tries < 100; tries++) await new Promise((r) => setTimeout(r, 20));
    assert.deepEqual(children.filter(isAlive), []);
  });

  it('names every bench in its help, in its guide and in its error', async () => {
    const help = await zkraft(['bench', '--help']);
    const unknown = await zkraft(['bench', 'speed']);
    const guide = readFileSync(join(ROOT, 'docs/guides/bench.md'), 'utf8');
    for (const name of Object.keys(BENCHES)) {
      assert.match(help.stdout, new RegExp(`[ ,]${name}[ ,]`));
      assert.match(unknown.stderr, new RegExp(`[ ,]${name}[ ,]`));
      assert.match(guide, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
    }
  });
});

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child = 0]) => child);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
