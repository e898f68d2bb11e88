/**
 * The compose cluster in earnest, but for Docker: each service's own command, as the user of its image, in a folder that
 * holds what the image holds, with its environment, its secrets and its volume; until a task is proved and all are stopped.
 */
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { closeSnarkjs, loadSnarkjs } from '../support/snarkjs-oracle.ts';
import { readCompose } from './compose.ts';
import { freePorts, type Machine, makeMachine, type RunningContainer, startContainer } from './containers.ts';
import { makeSecrets } from './secrets.ts';

const COORDINATORS = ['coordinator-1', 'coordinator-2', 'coordinator-3'];
const WAIT_MS = 90_000;

const compose = readCompose();
const running = new Map<string, RunningContainer>();
const ports = new Map<string, number>();
const addresses = new Map<string, string>();
let machine: Machine;
let postgres: TestPostgres;
let apiKey: string;

const portOf = (name: string): number => ports.get(name) ?? 0;
const url = (name: string, path: string): string => `http://127.0.0.1:${portOf(`${name} http`)}${path}`;

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + WAIT_MS;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > endMs || [...running.values()].some((one) => one.hasEnded())) {
      throw new Error(
        `never so: ${what}\n${[...running.values()].map((one) => `${one.name}: ${one.said().slice(-2_000)}`).join('\n')}`,
      );
    }
    await sleep(100);
  }
}

const answers = async (name: string, path: string): Promise<boolean> => (await fetch(url(name, path))).status === 200;

/** A service that runs to its end. */
async function once(service: string, command?: readonly string[]): Promise<void> {
  const more = command === undefined ? {} : { command };
  const { ended } = startContainer({ machine, compose, service, addresses, tmp: true, ...more });
  const { code, said } = await ended;
  assert.equal(code, 0, `${service}: ${said}`);
}

function start(service: string, env: Readonly<Record<string, string>>): void {
  const healthPort = portOf(`${service} http`);
  running.set(service, startContainer({ machine, compose, service, addresses, env, healthPort }));
}

/** The database and role of the compose file, whose password is asked for. */
async function makeDatabase(): Promise<void> {
  const { DATABASE_NAME, DATABASE_USER } = compose.services.migrate?.environment ?? {};
  const password = readFileSync(join(machine.secrets, 'database-password'), 'utf8');
  const client = new Client({ connectionString: postgres.connectionString() });
  await client.connect();
  try {
    await client.query(`CREATE ROLE ${DATABASE_USER} LOGIN PASSWORD '${password}'`);
    await client.query(`CREATE DATABASE ${DATABASE_NAME} OWNER ${DATABASE_USER}`);
    const { rows } = await client.query<{ hba_file: string }>('SHOW hba_file');
    const file = rows[0]?.hba_file ?? '';
    writeFileSync(file, `local all ${DATABASE_USER} scram-sha-256\n${readFileSync(file, 'utf8')}`);
    await client.query('SELECT pg_reload_conf()');
  } finally {
    await client.end();
  }
  // Its folders are for its owner alone, who is not the user of the images.
  const socketDir = new URL(postgres.connectionString().replace('@/', '@localhost/')).searchParams.get('host') ?? '';
  for (const dir of [socketDir, dirname(socketDir)]) chmodSync(dir, 0o711);
  chmodSync(join(socketDir, '.s.PGSQL.5432'), 0o777);
  addresses.set('postgres', socketDir);
}

before(async () => {
  postgres = await startTestPostgres();
  machine = makeMachine();
  makeSecrets(machine.secrets);
  const free = await freePorts(3 * COORDINATORS.length + 3);
  for (const name of COORDINATORS)
    for (const port of ['grpc', 'http', 'raft']) ports.set(`${name} ${port}`, free.pop() ?? 0);
  for (const name of ['gateway', 'worker-1', 'worker-2']) ports.set(`${name} http`, free.pop() ?? 0);
  for (const name of COORDINATORS) {
    addresses.set(`${name}:7000`, `127.0.0.1:${portOf(`${name} raft`)}`);
    addresses.set(`${name}:9090`, `127.0.0.1:${portOf(`${name} grpc`)}`);
  }
  await makeDatabase();
});
after(async () => {
  await Promise.all([...running.values()].map((one) => one.stop()));
  await closeSnarkjs();
  await postgres?.stop();
  if (machine) rmSync(machine.dir, { recursive: true, force: true });
});

describe('the services of the compose file, as their images run them', () => {
  it('bring the schema up and publish keys, again and again', async () => {
    await once('migrate');
    await once('migrate');
    // One depth, and a small one: the command is that of the service but for this.
    const command = compose.services.setup?.command?.map((word) => (word === '8,16,20' ? '4' : word)) ?? [];
    assert.deepEqual(command, ['setup', '--depth', '4', '--publish']);
    await once('setup', command);
    await once('setup', command);
  });

  it('come up, three coordinators with a leader among them', async () => {
    for (const name of COORDINATORS) {
      start(name, {
        COORDINATOR_GRPC_PORT: String(portOf(`${name} grpc`)),
        COORDINATOR_HTTP_PORT: String(portOf(`${name} http`)),
        COORDINATOR_RAFT_RAFT_PORT: String(portOf(`${name} raft`)),
      });
    }
    start('gateway', { SERVER_PORT: String(portOf('gateway http')) });
    for (const name of ['worker-1', 'worker-2']) start(name, { METRICS_PORT: String(portOf(`${name} http`)) });
    for (const name of running.keys()) await until(`${name} is ready`, () => answers(name, '/ready'));
    const states = await Promise.all(
      COORDINATORS.map(
        async (name) => ((await (await fetch(url(name, '/health'))).json()) as { raft: { state: string } }).raft.state,
      ),
    );
    assert.equal(states.filter((state) => state === 'Leader').length, 1, states.join(', '));
  });

  it('are healthy by the health check of their images', () => {
    for (const one of running.values()) {
      const { code, said } = one.health();
      assert.equal(code, 0, `${one.name}: ${said}`);
    }
  });

  it('prove a task of whoever has a key, and of nobody else', async () => {
    const made = running.get('gateway')?.exec(['keys', 'create', '--name', 'acme', '--json']);
    assert.equal(made?.code, 0, made?.said);
    apiKey = (JSON.parse(made?.said ?? '') as { key: string }).key;
    const body = JSON.stringify({ leaves: ['11', '22', '33'], leaf_index: 1, depth: 4 });
    const submit = (authorization?: string): Promise<Response> =>
      fetch(url('gateway', '/api/v1/tasks/merkle'), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
        body,
      });
    assert.equal((await submit()).status, 401);
    const answer = await submit(`Bearer ${apiKey}`);
    assert.equal(answer.status, 202, await answer.clone().text());
    const { task_id: taskId } = (await answer.json()) as { task_id: string };

    const ask = async (path: string): Promise<Record<string, unknown>> => {
      const got = await fetch(url('gateway', path), { headers: { authorization: `Bearer ${apiKey}` } });
      return (await got.json()) as Record<string, unknown>;
    };
    let task: Record<string, unknown> = {};
    await until('the task is completed', async () => {
      task = await ask(`/api/v1/tasks/${taskId}?wait=5s`);
      return task.status === 'completed';
    });
    assert.match(String(task.worker_id), /^worker-[12]$/);
    const { verification_key: key, ...alone } = await ask(`/api/v1/circuits/${task.circuit_id}/verification-key`);
    const snarkjs = await loadSnarkjs();
    assert.equal(
      await snarkjs.groth16.verify((key ?? alone) as never, task.public_signals as never, task.proof as never),
      true,
    );
  });

  it('serve their metrics where Prometheus looks for them', async () => {
    for (const name of running.keys())
      assert.match(await (await fetch(url(name, '/metrics'))).text(), /^zkraft_build_info/m);
  });

  it('end with 0, and within their grace, when they are stopped', async () => {
    const ended = await Promise.all(
      [...running.values()].map(async (one) => ({ name: one.name, ...(await one.stop()) })),
    );
    running.clear();
    for (const { name, code, said } of ended)
      assert.equal(code, 0, `${name} ended with ${code}: ${said.slice(-2_000)}`);
    for (const { name, ms } of ended) assert.ok(ms < 60_000, `${name} took ${Math.round(ms)} ms`);
  });

  it('have written into their volumes and nowhere else', () => {
    for (const name of ['raft-1', 'raft-2', 'raft-3', 'worker-1', 'worker-2', 'keys']) {
      assert.ok(readdirSync(join(machine.dir, 'volumes', name)).length > 0, name);
    }
    const own = readdirSync(machine.dir).sort();
    assert.deepEqual(own, ['made-secrets', 'node', 'run', 'tree', 'volumes']);
    assert.deepEqual(
      readdirSync(join(machine.tree)).filter((name) => name.startsWith('.')),
      [],
    );
    for (const name of ['migrate', 'setup'])
      assert.deepEqual(readdirSync(join(machine.dir, 'run', name, 'tmp')), [], name);
  });
});
