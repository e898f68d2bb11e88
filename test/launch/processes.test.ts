/**
 * Gateway, coordinator and workers as processes of their own, as operators run them: the story of a task that was tried
 * twice, by one command and in every log; and which of /livez, /health and /ready goes bad with what, and good again.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Frame } from '../../src/launch/index.ts';
import { ROOT, type ServiceProcess, startService, zkraft } from '../support/cli.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const DEPTH = '4';
const WAIT_MS = 60_000;

let postgres: TestPostgres;
let databaseUrl: string;
let coordinator: ServiceProcess;
let gateway: ServiceProcess;
const dir = mkdtempSync(join(tmpdir(), 'zkraft-processes-'));
const workers = new Map<string, ServiceProcess>();

const env = () => ({ DATABASE_URL: databaseUrl });
const logOf = (name: string): string => join(dir, `${name}.log`);
const logging = (name: string): string[] => ['--logging-format', 'json', '--logging-output', logOf(name)];

async function startCoordinator(grpcPort = '0'): Promise<ServiceProcess> {
  const ports = ['--coordinator-grpc-port', grpcPort, '--coordinator-http-port', '0'];
  const times = ['--coordinator-heartbeat-interval', '300ms', '--coordinator-heartbeat-timeout', '3s'];
  const folder = ['--coordinator-raft-raft-dir', join(dir, 'raft'), '--coordinator-raft-raft-port', '0'];
  return await startService('coordinator', [...ports, ...times, ...folder, ...logging('coordinator')], env());
}

async function startWorker(id: string): Promise<ServiceProcess> {
  const where = ['--worker-coordinator-address', coordinator.ready.grpc as string, '--data-dir', join(dir, id)];
  const args = ['--worker-id', id, '--worker-concurrency', '1', '--metrics-port', '0', ...where, ...logging(id)];
  const worker = await startService('worker', args);
  workers.set(id, worker);
  return worker;
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never so: ${what}`);
    await sleep(20);
  }
}

/** The lines of a process's log that carry the request id. */
function logged(name: string, requestId: string): Record<string, unknown>[] {
  if (!existsSync(logOf(name))) return [];
  return readFileSync(logOf(name), 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.request_id === requestId);
}
const messages = (name: string, requestId: string): unknown[] => logged(name, requestId).map(({ msg }) => msg);

before(async () => {
  postgres = await startTestPostgres();
  databaseUrl = await postgres.createDatabase();
  const made = await zkraft(['setup', '--depth', DEPTH, '--publish', '--data-dir', join(dir, 'keys')], env());
  assert.equal(made.code, 0, made.stdout + made.stderr);
  coordinator = await startCoordinator();
  gateway = await startService('gateway', ['--server-port', '0', ...logging('gateway')], env());
});
after(async () => {
  await Promise.all([...workers.values(), gateway, coordinator].map((service) => service?.stop()));
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('the story of a task that a worker died over', () => {
  const requestId = 'who-when-why-1';
  let taskId: string;

  before(async () => {
    const first = await startWorker('first');
    const answer = await fetch(`${gateway.ready.http}/api/v1/tasks/merkle`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': requestId },
      body: JSON.stringify({
        leaves: JSON.parse(readFileSync(join(ROOT, 'examples/leaves.json'), 'utf8')),
        leaf_index: 3,
        depth: Number(DEPTH),
      }),
    });
    assert.equal(answer.status, 202);
    taskId = ((await answer.json()) as { task_id: string }).task_id;
    // It has still to fetch the circuit, so it dies with the proof not begun or in the midst of it.
    await until(() => messages('first', requestId).includes('task accepted'), 'the first worker has the task');
    await first.stop('SIGKILL');
    workers.delete('first');
    await startWorker('second');
    await until(async () => {
      const shown = await fetch(`${gateway.ready.http}/api/v1/tasks/${taskId}?wait=5s`);
      return ((await shown.json()) as { status: string }).status === 'completed';
    }, 'the second worker proves it');
  });

  it('is told by one command, to people: who submitted it, each attempt with its worker, time and reason', async () => {
    const shown = await zkraft(['tasks', 'show', taskId], env());
    assert.equal(shown.code, 0, shown.stdout + shown.stderr);
    const at = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
    assert.match(shown.stdout, new RegExp(`${at} +submitted .*by anonymous, request ${requestId}`));
    assert.match(shown.stdout, /assigned +1 +first/);
    assert.match(shown.stdout, /retry_scheduled +1 +first .*lease_expired/);
    assert.match(shown.stdout, /assigned +2 +second/);
    assert.match(shown.stdout, new RegExp(`${at} +completed +2 +second`));
  });

  it('is told by one command, to programs, in order of time', async () => {
    const shown = await zkraft(['tasks', 'show', taskId, '--json'], env());
    const { task, events } = shown.json() as {
      task: Record<string, unknown>;
      events: {
        at: string;
        kind: string;
        attempt: number;
        worker_id: string;
        code: string | null;
        message: string | null;
      }[];
    };
    assert.deepEqual(
      [task.owner, task.request_id, task.status, task.attempt],
      ['anonymous', requestId, 'completed', 2],
    );
    const told = events.filter(({ kind }) => kind !== 'started');
    assert.deepEqual(
      told.map(({ kind, attempt, worker_id, code }) => [kind, attempt, worker_id, code]),
      [
        ['assigned', 1, 'first', null],
        ['retry_scheduled', 1, 'first', 'lease_expired'],
        ['assigned', 2, 'second', null],
        ['completed', 2, 'second', null],
      ],
    );
    assert.match(told[1]?.message ?? '', /no heartbeat for 3000 ms|did not renew the lease/);
    const times = events.map(({ at }) => Date.parse(at));
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    assert.ok(times.every((time) => Number.isFinite(time) && Math.abs(Date.now() - time) < 10 * WAIT_MS));
  });

  it('is in the log of every process under its request id', async () => {
    const expected: Record<string, string[]> = {
      gateway: ['task submitted'],
      coordinator: ['task leased', 'task will be tried again', 'proof verified and accepted'],
      first: ['task accepted'],
      second: ['task accepted', 'proving', 'proved', 'report acknowledged'],
    };
    for (const [name, events] of Object.entries(expected)) {
      const said = messages(name, requestId);
      assert.deepEqual(
        events.filter((event) => !said.includes(event)),
        [],
        `${name} said: ${said.join(', ')}`,
      );
    }
    const leased = logged('coordinator', requestId).filter(({ msg }) => msg === 'task leased');
    assert.deepEqual(
      leased.map(({ worker_id, attempt, task_id }) => [worker_id, attempt, task_id]),
      [
        ['first', 1, taskId],
        ['second', 2, taskId],
      ],
    );
    const again = logged('coordinator', requestId).find(({ msg }) => msg === 'task will be tried again');
    assert.equal(again?.code, 'lease_expired');
  });
});

describe('zkraft top', () => {
  const targets = (): string[] => [
    ...['--coordinator', coordinator.ready.http as string, '--gateway', gateway.ready.http as string],
    ...['--worker', workers.get('second')?.ready.http as string],
  ];
  /** Runs it until `enough` of what it says, then interrupts it. */
  async function topUntil(args: readonly string[], enough: (said: string) => boolean, what: string): Promise<string> {
    const command = [join(ROOT, 'dist/cli/main.js'), 'top', ...args];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const code = new Promise<number | null>((done) => child.once('exit', (ended) => done(ended)));
    try {
      await until(() => enough(said), what);
    } finally {
      child.kill('SIGINT');
    }
    assert.equal(await code, 0);
    return said;
  }
  const submit = async (): Promise<void> => {
    const answer = await fetch(`${gateway.ready.http}/api/v1/tasks/merkle`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        leaves: JSON.parse(readFileSync(join(ROOT, 'examples/leaves.json'), 'utf8')),
        leaf_index: 1,
        depth: Number(DEPTH),
        fresh: true,
      }),
    });
    assert.equal(answer.status, 202);
  };

  it('shows in one frame who leads and who could prove', async () => {
    const shown = await zkraft(['top', ...targets(), '--interval', '300ms', '--once', '--json']);
    assert.equal(shown.code, 0, shown.stdout + shown.stderr);
    const frame = shown.json() as unknown as Frame;
    assert.equal(frame.leader, 'coordinator-1');
    assert.equal(frame.database, 'ok');
    assert.deepEqual(
      frame.coordinators.map(({ state, health, lag_entries, workers: count }) => [state, health, lag_entries, count]),
      [['Leader', 'ok', 0, 1]],
    );
    assert.ok((frame.interval_s ?? 0) >= 0.25);
    assert.deepEqual(
      frame.workers.list.map(({ id, state, slots, health }) => [id, state, slots, health]),
      [['second', 'active', 1, 'ok']],
    );
    assert.equal(frame.workers.problem, null);
  });

  it('shows how fast: what is submitted, leased, proved, and by whom', async () => {
    const framesOf = (said: string): Frame[] =>
      said
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as Frame);
    let isSubmitted = false;
    const said = await topUntil(
      [...targets(), '--interval', '500ms', '--json'],
      (text) => {
        const frames = framesOf(text);
        if (frames.length > 0 && !isSubmitted) {
          isSubmitted = true;
          void submit();
        }
        return frames.some(({ workers: { list } }) => (list[0]?.tasks_per_s ?? 0) > 0);
      },
      'a frame in which a task was proved',
    );
    const frames = framesOf(said);
    assert.equal(frames[0]?.throughput.completed_per_s, null, 'the first has nothing to compare with');
    for (const name of ['submitted_per_s', 'leased_per_s', 'completed_per_s', 'task_s'] as const) {
      assert.ok(
        frames.some(({ throughput }) => (throughput[name] ?? 0) > 0),
        name,
      );
    }
    assert.ok(frames.some(({ queue }) => (queue.wait_s ?? 0) > 0));
  });

  it('goes on over processes that are away, prints plain frames into a pipe, and ends with 0 at Ctrl-C', async () => {
    const said = await topUntil(
      ['--coordinator', 'http://127.0.0.1:1', ...targets().slice(2), '--interval', '200ms'],
      (text) => (text.match(/^zkraft {2}/gm) ?? []).length >= 3,
      'three frames',
    );
    assert.match(said, /away +http:\/\/127\.0\.0\.1:1$/m);
    assert.match(said, /leader none {2}database ok/);
    assert.ok(!said.includes('\u001b'), 'no escapes');
  });
});

describe('/livez, /health and /ready', () => {
  const statuses = async (service: ServiceProcess): Promise<number[]> =>
    await Promise.all(
      ['/livez', '/health', '/ready'].map(async (path) => (await fetch(`${service.ready.http}${path}`)).status),
    );
  const becomes = async (service: ServiceProcess, wanted: readonly number[], what: string): Promise<void> => {
    await until(async () => String(await statuses(service)) === String(wanted), `${what} ${wanted}`);
  };
  const GOOD = [200, 200, 200];
  const BAD = [200, 503, 503];
  let worker: ServiceProcess;
  before(async () => {
    worker = workers.get('second') ?? (await startWorker('second'));
  });

  it('are good in every process when all is there', async () => {
    for (const service of [gateway, coordinator, worker]) await becomes(service, GOOD, 'at first');
  });

  it('without the database: gateway and coordinator live and cannot work; a worker has nothing to do with it', async () => {
    await postgres.kill();
    await becomes(gateway, BAD, 'gateway');
    await becomes(coordinator, BAD, 'coordinator');
    assert.deepEqual(await statuses(worker), GOOD);
    await postgres.restart();
    await becomes(gateway, GOOD, 'gateway');
    await becomes(coordinator, GOOD, 'coordinator');
  });

  it('without the coordinator: workers live and cannot work, and come back by themselves; a gateway takes tasks on', async () => {
    const port = coordinator.ready.grpc?.split(':').at(-1);
    await coordinator.stop();
    await becomes(worker, BAD, 'worker');
    assert.deepEqual(await statuses(gateway), GOOD);
    coordinator = await startCoordinator(port);
    await becomes(coordinator, GOOD, 'coordinator');
    await becomes(worker, GOOD, 'worker');
  });
});
