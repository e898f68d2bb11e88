import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { groth16 } from 'snarkjs';
import { type DevProcess, ROOT, startDev, zkraft } from '../support/cli.ts';
import { listeningSockets, processesNaming } from '../support/open-ports.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'zkraft-dev-'));
const leaves = JSON.parse(readFileSync(join(ROOT, 'examples/leaves.json'), 'utf8')) as string[];

interface Answer {
  readonly [field: string]: unknown;
  readonly task_id: string;
  readonly status: string;
  readonly proof: Parameters<typeof groth16.verify>[2];
  readonly public_signals: string[];
  readonly circuit_id: string;
}

describe('zkraft dev', () => {
  let network: DevProcess;
  const call = async (
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; headers: Headers; body: Answer }> => {
    const answer = await fetch(`${network.gatewayUrl}${path}`, {
      ...(body === undefined
        ? {}
        : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }),
    });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer };
  };
  const finished = async (id: string): Promise<Answer> => {
    for (let tries = 0; tries < 12; tries++) {
      const { body } = await call(`/api/v1/tasks/${id}?wait=20s`);
      if (['completed', 'failed', 'cancelled'].includes(body.status)) return body;
    }
    throw new Error(`task ${id} did not end`);
  };

  before(async () => {
    network = await startDev(dataDir);
  });
  after(async () => {
    await network?.stop();
    // snarkjs keeps the threads of its curve for as long as the process lives.
    await (globalThis as { curve_bn128?: { terminate(): Promise<void> } }).curve_bn128?.terminate();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('proves submitted leaves, and snarkjs verifies the proofs with the key that the gateway serves', async () => {
    const submitted = await Promise.all(
      [
        { leaf_index: 0, depth: 4 },
        { leaf_index: 11, depth: 8 },
        { leaf_index: 3, external_hash: '0x2a' },
      ].map((task) => call('/api/v1/tasks/merkle', { leaves, ...task })),
    );
    const results = [];
    for (const { status, body } of submitted) {
      assert.equal(status, 202);
      results.push(await finished(body.task_id));
    }
    for (const result of results) {
      assert.equal(result.status, 'completed', JSON.stringify(result));
      const key = (await call(`/api/v1/circuits/${result.circuit_id}/verification-key`)).body;
      assert.equal(await groth16.verify(key, result.public_signals, result.proof), true);
      assert.equal(result.public_signals[0], result.merkle_root);
      const other = [String(BigInt(result.public_signals[0] as string) + 1n), result.public_signals[1] as string];
      assert.equal(await groth16.verify(key, other, result.proof), false);
    }
    assert.deepEqual(
      results.map((r) => r.circuit_id),
      ['merkle-4', 'merkle-8', 'merkle-8'],
    );
    assert.deepEqual(
      results.map((r) => r.public_signals[1]),
      ['0', '0', '42'],
    );
  });

  it('carries the request id of the submit into the task', async () => {
    const { body, headers } = await call(
      '/api/v1/tasks/merkle',
      { leaves, leaf_index: 9, depth: 4 },
      { 'x-request-id': 'my-request-7' },
    );
    assert.equal(headers.get('x-request-id'), 'my-request-7');
    assert.equal(body.request_id, 'my-request-7');
    assert.equal((await finished(body.task_id)).status, 'completed');
  });

  it('answers the same request with the same task', async () => {
    const first = await call('/api/v1/tasks/merkle', { leaves, leaf_index: 5, depth: 4 });
    const second = await call('/api/v1/tasks/merkle', { depth: 4, leaf_index: 5, leaves });
    assert.equal(second.status, 200);
    assert.equal(second.headers.get('x-cache'), 'HIT');
    assert.equal(second.body.task_id, first.body.task_id);
  });

  it('opens the documented ports and no other, all on loopback', (t) => {
    const sockets = listeningSockets(network.pid);
    if (sockets === undefined) return t.skip('needs /proc');
    const documented = ['gateway_url', 'coordinator_url', 'worker_url'].map(
      (name) => new URL(network.ready[name] as string).port,
    );
    const grpc = (network.ready.coordinator_grpc as string).split(':').at(-1) as string;
    assert.deepEqual(sockets.sort(), [...documented, grpc].map((port) => `127.0.0.1:${port}`).sort());
    const postgres = processesNaming(dataDir).filter(
      (line) => / -D .*|postgres/.test(line) && !line.includes('main.js'),
    );
    for (const line of postgres) assert.deepEqual(listeningSockets(Number(line.split(' ')[0])) ?? [], [], line);
  });

  it('serves health and metrics of every part', async () => {
    for (const base of ['gateway_url', 'coordinator_url', 'worker_url']) {
      for (const path of ['/livez', '/health', '/ready', '/metrics']) {
        const answer = await fetch(`${network.ready[base]}${path}`);
        assert.equal(answer.status, 200, `${base}${path}: ${await answer.clone().text()}`);
        await answer.text();
      }
    }
    const health = (await (await fetch(`${network.ready.coordinator_url}/health`)).json()) as {
      raft: { state: string; is_leader: boolean };
    };
    assert.equal(health.raft.state, 'Leader');
    assert.equal(health.raft.is_leader, true);
  });

  it('lets the command line submit, and verify what it wrote', async () => {
    const out = join(dataDir, 'out');
    const args = [
      'submit',
      '--url',
      network.gatewayUrl,
      '--leaves',
      'examples/leaves.json',
      '--index',
      '1,2',
      '--depth',
      '4',
      '--out',
      out,
      '--json',
    ];
    const run = await zkraft(args);
    assert.equal(run.code, 0, run.stderr);
    const tasks = run.json().tasks as { task_id: string; status: string }[];
    assert.deepEqual(
      tasks.map((task) => task.status),
      ['completed', 'completed'],
    );
    const dir = join(out, tasks[0]?.task_id as string);
    const files = ['--vkey', join(dir, 'verification_key.json'), '--proof', join(dir, 'proof.json')];
    assert.equal((await zkraft(['verify', ...files, '--public', join(dir, 'public.json')])).code, 0);
    const mixed = await zkraft([
      'verify',
      ...files.slice(0, 2),
      '--proof',
      join(dir, 'proof.json'),
      '--public',
      writeForged(dir),
    ]);
    assert.equal(mixed.code, 3, `${mixed.stdout}${mixed.stderr}`);
  });

  it('refuses a second network in the same folder', async () => {
    const second = await zkraft(['dev', '--json', '--data-dir', dataDir, '--server-port', '0']);
    assert.equal(second.code, 4, second.stdout + second.stderr);
    assert.match(second.stdout, /already_running/);
  });

  it('stops within five seconds of Ctrl-C, leaves no process, and starts again with its keys and tasks', async () => {
    const before = await call('/api/v1/tasks/merkle', { leaves, leaf_index: 5, depth: 4 });
    const { code, ms } = await network.stop('SIGINT');
    assert.equal(code, 0);
    assert.ok(ms < 5000, `took ${Math.round(ms)} ms`);
    assert.deepEqual(processesNaming(dataDir), []);
    network = await startDev(dataDir);
    const again = await call('/api/v1/tasks/merkle', { leaves, leaf_index: 5, depth: 4 });
    assert.equal(again.status, 200);
    assert.equal(again.body.task_id, before.body.task_id);
    assert.equal((await finished(again.body.task_id)).status, 'completed');
  });

  it('comes back after kill -9, with what it had accepted', async () => {
    const { body } = await call('/api/v1/tasks/merkle', { leaves, leaf_index: 7, depth: 8 });
    await network.stop('SIGKILL');
    network = await startDev(dataDir);
    assert.equal((await finished(body.task_id)).status, 'completed');
  });
});

function writeForged(dir: string): string {
  const signals = JSON.parse(readFileSync(join(dir, 'public.json'), 'utf8')) as string[];
  const path = join(dir, 'forged.json');
  writeFileSync(path, JSON.stringify([String(BigInt(signals[0] as string) + 1n), signals[1]]));
  return path;
}
