/**
 * Everything is lost and comes back: a coordinator, a gateway and a worker as processes of their own, a real PostgreSQL
 * with its real `pg_dump`, and what an operator types.
 *
 * PostgreSQL is the one that is installed here, since that of npm has no client programs; where there is none, these
 * tests say so and are passed over.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { createClient, type Task } from '../../src/client/index.ts';
import type { ZkraftError } from '../../src/common/index.ts';
import { type RestoreBackupOptions, type RestoredBackup, restoreBackup } from '../../src/launch/index.ts';
import { createVerifier, type Groth16Proof, type VerificationKey } from '../../src/prover/verifier/node.ts';
import { inspectFolder } from '../../src/raft/index.ts';
import { ROOT, type ServiceProcess, startService, zkraft } from '../support/cli.ts';
import { skipWithoutSystemPostgres } from '../support/client-programs.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const DEPTH = 4;
const LEAVES = [101n, 102n, 103n, 104n, 105n];
const WAIT_MS = 60_000;

const verifier = await createVerifier();
const missing = skipWithoutSystemPostgres();

/** Of a database, in its URL over a socket. */
const nameOf = (url: string): string => new URL(url.replace('@/', '@host/')).pathname.slice(1);

describe('backup and restore of a network', { skip: missing }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'zkraft-backup-'));
  const raftDir = join(dir, 'raft');
  const at = (name: string): string => join(dir, name);
  let postgres: TestPostgres;
  let databaseUrl: string;
  const services: ServiceProcess[] = [];
  let gatewayUrl: string;
  let gateway: ServiceProcess;
  let coordinator: ServiceProcess;

  const env = (url = databaseUrl) => ({ DATABASE_URL: url });

  async function start(): Promise<void> {
    const ports = ['--coordinator-grpc-port', '0', '--coordinator-http-port', '0', '--coordinator-raft-raft-port', '0'];
    const times = ['--coordinator-heartbeat-interval', '300ms', '--coordinator-heartbeat-timeout', '3s'];
    const quiet = ['--logging-level', 'warn', '--logging-output', at('services.log')];
    const folder = ['--coordinator-raft-raft-dir', raftDir];
    coordinator = await startService('coordinator', [...ports, ...times, ...folder, ...quiet], env());
    services.push(coordinator);
    const where = ['--worker-coordinator-address', coordinator.ready.grpc as string, '--data-dir', at('worker')];
    const worker = ['--worker-id', 'w1', '--worker-concurrency', '2', '--metrics-port', '0', ...where, ...quiet];
    const started = await Promise.all([startGateway(), startService('worker', worker)]);
    services.push(started[1]);
  }
  async function startGateway(): Promise<void> {
    const quiet = ['--logging-level', 'warn', '--logging-output', at('services.log')];
    gateway = await startService('gateway', ['--server-port', '0', ...quiet], env());
    gatewayUrl = gateway.ready.http as string;
    services.push(gateway);
  }
  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await Promise.all(services.splice(0).map((service) => service.stop(signal)));
  }

  const submit = async (leafIndex: number): Promise<string> => {
    const client = createClient({ url: gatewayUrl });
    return (await client.submitMerkleTask({ leaves: LEAVES, leafIndex, depth: DEPTH, fresh: true })).taskId;
  };
  const proved = async (taskId: string): Promise<Task> => {
    const task = await createClient({ url: gatewayUrl }).waitForTask(taskId, { timeoutMs: WAIT_MS });
    assert.equal(task.status, 'completed', task.error);
    return task;
  };
  const prove = async (leafIndex: number): Promise<Task> => await proved(await submit(leafIndex));
  /** By the verifier that a client has, with the network's verification key. */
  const verifies = async (task: Task): Promise<void> => {
    const answer = await fetch(`${gatewayUrl}/api/v1/tasks/${task.taskId}`);
    assert.equal(answer.status, 200);
    const shown = (await answer.json()) as {
      status: string;
      circuit_id: string;
      proof: Groth16Proof;
      public_signals: string[];
    };
    assert.equal(shown.status, 'completed');
    const vkey = await fetch(`${gatewayUrl}/api/v1/circuits/${shown.circuit_id}/verification-key`);
    assert.ok(await verifier.verify((await vkey.json()) as VerificationKey, shown.proof, shown.public_signals));
  };
  const query = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const lastLine = (stdout: string): Record<string, Record<string, unknown> & string> =>
    JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
  const tablesOf = async (url: string): Promise<unknown> =>
    (await query(url, "SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace"))[0]?.n;

  /** As `zkraft restore` calls it, without the start of a process. */
  const restore = (more: Partial<RestoreBackupOptions>, url = databaseUrl): Promise<RestoredBackup> =>
    restoreBackup({
      ...{ from: at('whole'), only: undefined, raftDir, forceNewCluster: false, env: process.env },
      database: { connectionString: url },
      ...more,
    });

  let old: Task;
  let lost: Task;
  /** Submitted before the backup, and not proved by then. */
  let pending: string;

  before(async () => {
    postgres = await startTestPostgres({ ofTheSystem: true });
    databaseUrl = await postgres.createDatabase();
    const made = await zkraft(['setup', '--depth', `${DEPTH}`, '--publish', '--data-dir', at('keys')], env());
    assert.equal(made.code, 0, made.stdout + made.stderr);
    await start();
  });
  after(async () => {
    await stop('SIGKILL');
    await postgres?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('backs up the database while all goes on, and refuses the Raft directory of a coordinator that runs', async () => {
    old = await prove(1);
    const refused = await zkraft(['backup', '--to', at('refused'), '--raft-dir', raftDir, '--json'], env());
    assert.equal(refused.code, 4, refused.stdout);
    assert.match(refused.stdout, /already_running.*stop it for as long as the backup takes/s);
    assert.ok(!existsSync(at('refused')), 'nothing is left of it');
    const made = await zkraft(['backup', '--to', at('live'), '--json'], env());
    assert.equal(made.code, 0, made.stdout + made.stderr);
    const { database, raft } = lastLine(made.stdout);
    assert.deepEqual(database?.tasks, { completed: 1 });
    assert.equal(raft, null);
  });

  it('backs up both once the coordinator is stopped', async () => {
    await coordinator.stop();
    pending = await submit(0);
    await stop();
    const made = await zkraft(['backup', '--to', at('whole'), '--raft-dir', raftDir, '--json'], env());
    assert.equal(made.code, 0, made.stdout + made.stderr);
    const manifest = JSON.parse(readFileSync(join(at('whole'), 'manifest.json'), 'utf8'));
    assert.deepEqual(manifest.database.tasks, { completed: 1, pending: 1 });
    const { identity, lastIndex } = await inspectFolder(raftDir);
    assert.equal(manifest.raft.cluster_id, identity.clusterId);
    assert.equal(manifest.database.cluster_id, identity.clusterId);
    assert.equal(manifest.raft.last_index, lastIndex);
    assert.ok(manifest.database.applied_index > 0 && manifest.database.applied_index <= lastIndex);
    assert.ok(manifest.files.some(({ path }: { path: string }) => path === 'database.dump'));
    const again = await zkraft(['backup', '--to', at('whole'), '--json'], env());
    assert.equal(again.code, 2, again.stdout);
    assert.match(again.stdout, /file_exists/);
  });

  it('after everything was lost: old proofs are there and verify, lost tasks are unknown, new ones are proved', async () => {
    await start();
    lost = await prove(2);
    await proved(pending);
    await stop('SIGKILL');
    rmSync(raftDir, { recursive: true });
    databaseUrl = await postgres.createDatabase({ migrated: false });
    const restored = await zkraft(['restore', '--from', at('whole'), '--raft-dir', raftDir, '--json'], env());
    assert.equal(restored.code, 0, restored.stdout + restored.stderr);
    await start();
    await verifies(old);
    assert.equal((await fetch(`${gatewayUrl}/api/v1/tasks/${lost.taskId}`)).status, 404);
    await verifies(await proved(pending));
    await verifies(await prove(3));
    await stop();
    // Not by chance: the log went on from where the backup ended.
    const { lastIndex, identity } = await inspectFolder(raftDir);
    const { raft } = JSON.parse(readFileSync(join(at('whole'), 'manifest.json'), 'utf8'));
    assert.ok(lastIndex > raft.last_index);
    assert.equal(identity.clusterId, raft.cluster_id);
  });

  it('writes over nothing that is not named, and not while a gateway has the database open', async () => {
    const rows = await query(databaseUrl, 'SELECT id FROM tasks ORDER BY id');
    await assert.rejects(restore({ only: 'database' }), { code: 'target_not_empty', field: 'replace-database' });
    await assert.rejects(restore({ only: 'raft' }), { code: 'target_not_empty', field: 'replace-raft-dir' });
    await assert.rejects(restore({ only: 'database', replaceDatabase: 'other' }), { code: 'usage' });
    await assert.rejects(restore({ only: 'raft', replaceRaftDir: at('other') }), { code: 'usage' });
    await startGateway();
    await assert.rejects(restore({ only: 'database', replaceDatabase: nameOf(databaseUrl) }), {
      code: 'already_running',
    });
    await stop();
    assert.deepEqual(await query(databaseUrl, 'SELECT id FROM tasks ORDER BY id'), rows);
    assert.ok((await inspectFolder(raftDir)).lastIndex > 0);
  });

  it('the database alone, older than the log: what was proved since is proved again, and the log goes on', async () => {
    const newer = await query(databaseUrl, 'SELECT cursor::int AS cursor FROM cluster');
    await restore({ only: 'database', replaceDatabase: nameOf(databaseUrl) });
    const back = await query(databaseUrl, 'SELECT cursor::int AS cursor FROM cluster');
    assert.ok(Number(back[0]?.cursor) < Number(newer[0]?.cursor));
    const status = `SELECT status FROM tasks WHERE id = '${pending}'`;
    assert.deepEqual(await query(databaseUrl, status), [{ status: 'pending' }]);
    await start();
    await verifies(old);
    // The log knew its proof once, and forgot it when it was written: it is proved again.
    await verifies(await proved(pending));
    await prove(4);
    await stop();
    const after = await query(databaseUrl, 'SELECT cursor::int AS cursor FROM cluster');
    assert.ok(Number(after[0]?.cursor) > Number(newer[0]?.cursor), 'the cursor is that of the log again');
  });

  it('the Raft directory alone, older than the database: refused by the coordinator as it was, taken over as a new cluster', async () => {
    await restore({ only: 'raft', replaceRaftDir: raftDir });
    await assert.rejects(start(), /log_corrupt|older copy/);
    await stop('SIGKILL');
    const args = ['restore', '--from', at('whole'), '--only', 'raft', '--raft-dir', raftDir, '--json'];
    const anew = await zkraft([...args, '--replace-raft-dir', raftDir, '--force-new-cluster'], env());
    assert.equal(anew.code, 0, anew.stdout);
    assert.equal(lastLine(anew.stdout).new_cluster, true);
    assert.ok(existsSync(lastLine(anew.stdout).raft?.kept_in as string), 'what was there is kept');
    await start();
    await verifies(old);
    await verifies(await prove(0));
    await stop();
    const [row] = await query(databaseUrl, 'SELECT cluster_id, epoch::int AS epoch FROM cluster');
    assert.equal(row?.cluster_id, (await inspectFolder(raftDir)).identity.clusterId);
    assert.equal(row?.epoch, 2);
  });

  it('every Raft directory lost, and no backup of one: the database is given to a new cluster by hand', async () => {
    rmSync(raftDir, { recursive: true });
    await assert.rejects(start(), /foreign_cluster/);
    await stop('SIGKILL');
    const { clusterId } = (await inspectFolder(raftDir)).identity;
    await query(databaseUrl, `UPDATE cluster SET cluster_id = '${clusterId}', epoch = epoch + 1, cursor = 0`);
    await start();
    await verifies(old);
    await verifies(await prove(2));
    await stop();
  });

  it('a backup with a bit flipped, a file cut short or a file missing is refused, with nothing touched', async () => {
    const empty = await postgres.createDatabase({ migrated: false });
    const target = at('never');
    const flip = (path: string): void => {
      const bytes = readFileSync(path);
      const middle = bytes.length >> 1;
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    };
    const ldb = readdirSync(join(at('whole'), 'raft', 'log')).find((name) => /\.(ldb|log)$/.test(name)) as string;
    const damages: Record<string, (copy: string) => void> = {
      'a bit of the dump': (copy) => flip(join(copy, 'database.dump')),
      'a bit of the log': (copy) => flip(join(copy, 'raft', 'end.mark')),
      'a bit of the manifest': (copy) => flip(join(copy, 'manifest.json')),
      'the end of the dump': (copy) => truncateSync(join(copy, 'database.dump'), 10_000),
      'a file of the log': (copy) => rmSync(join(copy, 'raft', 'log', ldb)),
      'the manifest': (copy) => rmSync(join(copy, 'manifest.json')),
    };
    for (const [what, damage] of Object.entries(damages)) {
      const copy = at('damaged');
      rmSync(copy, { recursive: true, force: true });
      cpSync(at('whole'), copy, { recursive: true });
      damage(copy);
      await assert.rejects(restore({ from: copy, raftDir: target }, empty), { code: 'backup_invalid' }, what);
      assert.ok(!existsSync(target), what);
      assert.equal(await tablesOf(empty), 0, what);
    }
  });

  it('a dump that pg_restore refuses half-way leaves database and Raft directory as they were', async () => {
    const blocked = await postgres.createDatabase({ migrated: false });
    const target = at('half-way');
    // Met late, when all tables are made: everything before it must go again.
    await query(
      blocked,
      'CREATE FUNCTION zkraft_task_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$',
    );
    await assert.rejects(restore({ raftDir: target }, blocked), (error: ZkraftError) => {
      assert.equal(error.code, 'restore_failed');
      assert.match(error.message, /zkraft_task_change/);
      return true;
    });
    assert.equal(await tablesOf(blocked), 0);
    assert.ok(!existsSync(target));
  });

  describe('a backup that is ended in the middle', () => {
    /** A `pg_dump` that has written a part, and goes on until it is ended. */
    const slow = at('slow-bin');
    before(() => {
      mkdirSync(slow);
      const programs = {
        pg_dump: '[ "$1" = --version ] && exec pg_dump --version\nwhile echo part; do sleep 0.1; done\n',
        pg_restore: 'exec pg_restore "$@"\n',
      };
      for (const [name, text] of Object.entries(programs))
        writeFileSync(join(slow, name), `#!/bin/sh\n${text}`, { mode: 0o755 });
    });
    async function begin(to: string): Promise<{ child: ChildProcess; code: Promise<number | null> }> {
      const args = ['dist/cli/main.js', 'backup', '--to', to, '--raft-dir', raftDir, '--pg-bin', slow, '--json'];
      const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'ignore', env: { ...process.env, ...env() } });
      const code = new Promise<number | null>((done) => child.once('exit', (ended) => done(ended)));
      const dump = join(to, 'database.dump');
      for (const endMs = Date.now() + WAIT_MS; !existsSync(dump) || readFileSync(dump).length === 0; await sleep(20)) {
        assert.ok(Date.now() < endMs && child.exitCode === null, 'it is under way');
      }
      return { child, code };
    }

    it('by kill -9 is refused by a restore, and by the next backup there', async () => {
      const { child, code } = await begin(at('killed'));
      child.kill('SIGKILL');
      await code;
      assert.deepEqual(readdirSync(at('killed')), ['database.dump']);
      const empty = await postgres.createDatabase({ migrated: false });
      const refused = await zkraft(['restore', '--from', at('killed'), '--json'], env(empty));
      assert.equal(refused.code, 1, refused.stdout);
      assert.match(refused.stdout, /backup_invalid.*cut off/s);
      assert.equal(await tablesOf(empty), 0);
      const again = await zkraft(['backup', '--to', at('killed'), '--json'], env());
      assert.equal(again.code, 2, again.stdout);
      assert.match(again.stdout, /file_exists/);
    });

    it('by Ctrl-C leaves nothing behind, and lets the coordinator start', async () => {
      const { child, code } = await begin(at('interrupted'));
      child.kill('SIGINT');
      assert.equal(await code, 130);
      assert.ok(!existsSync(at('interrupted')));
      assert.ok((await inspectFolder(raftDir)).lastIndex > 0, 'the lock is free');
    });
  });
});
