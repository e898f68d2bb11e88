/** `zkraft cluster`: what a user does with it, and what it does when parts of it are killed. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createClient, type Task } from '../../src/client/index.ts';
import type { Frame } from '../../src/launch/index.ts';
import { zkraft } from '../support/cli.ts';
import { ClusterUnderTest } from '../support/cluster.ts';

const LEAVES = Array.from({ length: 16 }, (_, i) => BigInt(101 + i));

describe('zkraft cluster', () => {
  let cluster: ClusterUnderTest;
  before(async () => {
    cluster = await ClusterUnderTest.start('--depths', '4');
  });
  after(() => cluster.remove());

  const submit = (leafIndex: number, more: object = {}) =>
    createClient({ url: cluster.gatewayUrl }).submitMerkleTask({ leaves: LEAVES, leafIndex, depth: 4, ...more });
  const ended = (taskId: string): Promise<Task> =>
    createClient({ url: cluster.gatewayUrl }).waitForTask(taskId, { timeoutMs: 60_000 });

  it('shows all its processes, and which coordinator leads', async () => {
    const { leader, processes } = await cluster.healthy();
    assert.deepEqual(
      processes.map(({ name }) => name),
      ['coordinator-1', 'coordinator-2', 'coordinator-3', 'gateway', 'worker-1', 'worker-2'],
    );
    assert.match(leader ?? '', /^coordinator-[123]$/);
    const forPeople = await zkraft(['cluster', 'status', '--dir', cluster.dir]);
    assert.equal(forPeople.code, 0, forPeople.stdout);
    assert.match(forPeople.stdout, /^PROCESS +PID +HEALTH +ADDRESS +DOING/m);
    assert.match(forPeople.stdout, /^coordinator-\d +\d+ +ok .*Leader, term \d+, applied \d+, 2 workers/m);
  });

  it('is shown whole by zkraft top, its workers too, though the port that lists them wants certificates', async () => {
    const shown = await zkraft(['top', '--dir', cluster.dir, '--once', '--json', '--interval', '300ms']);
    assert.equal(shown.code, 0, shown.stdout + shown.stderr);
    const { leader, coordinators, gateways, peers, workers } = shown.json() as unknown as Frame;
    assert.match(leader ?? '', /^coordinator-[123]$/);
    assert.deepEqual([coordinators.length, peers.length, gateways.map(({ health }) => health)], [3, 2, ['ok']]);
    assert.deepEqual(
      workers.list.map(({ id, state, health }) => [id, state, health]),
      [
        ['worker-1', 'active', 'ok'],
        ['worker-2', 'active', 'ok'],
      ],
    );
  });

  it('proves', async () => {
    const { taskId } = await submit(3);
    const task = await ended(taskId);
    assert.equal(task.status, 'completed', task.error);
  });

  it('starts again what is killed; what a leader that dies costs is in test/scenarios', async () => {
    const leader = await cluster.leader();
    process.kill(leader.pid, 'SIGKILL');
    const { taskId } = await submit(4, { fresh: true });
    assert.equal((await ended(taskId)).status, 'completed');
    const { processes } = await cluster.healthy();
    const back = processes.find(({ name }) => name === leader.name);
    assert.notEqual(back?.pid, leader.pid);
  });

  it('is shown to the commands that speak to coordinators and peers, with its certificates', async () => {
    const certs = (authority: 'raft' | 'grpc', name: string) => ({
      COORDINATOR_RAFT_CA_FILE: `${cluster.dir}/certs/${authority}/ca.crt`,
      COORDINATOR_RAFT_CERT_FILE: `${cluster.dir}/certs/${authority}/${name}.crt`,
      COORDINATOR_RAFT_KEY_FILE: `${cluster.dir}/certs/${authority}/${name}.key`,
    });
    const raft = `127.0.0.1:${cluster.firstPort + 30}`;
    const peers = await zkraft(['raft', 'list-peers', '--address', raft, '--json'], certs('raft', 'coordinator-1'));
    assert.equal(peers.code, 0, peers.stdout);
    assert.equal((peers.json().peers as unknown[]).length, 3);
    const plain = await zkraft(['raft', 'list-peers', '--address', raft, '--json']);
    assert.notEqual(plain.code, 0, 'without a certificate nothing is told');
    const worker = await zkraft(['raft', 'list-peers', '--address', raft, '--json'], certs('grpc', 'worker-1'));
    assert.notEqual(worker.code, 0, 'a worker is no peer, and no operator');
  });

  it('refuses a second one in the same folder', async () => {
    const second = await zkraft(['cluster', 'up', '--dir', cluster.dir, '--json']);
    assert.equal(second.code, 4, second.stdout);
    assert.match(second.stdout, /already_running/);
  });

  it('is stopped from outside when whoever kept it is gone, and starts again with all that it had', async () => {
    const { taskId } = await submit(9, { fresh: true });
    await ended(taskId);
    await cluster.killKeeper();
    const down = await zkraft(['cluster', 'down', '--dir', cluster.dir, '--json']);
    assert.equal(down.code, 0, down.stdout);
    assert.equal((await zkraft(['cluster', 'status', '--dir', cluster.dir])).code, 4);
    await cluster.up('--depths', '4');
    assert.equal((await ended(taskId)).status, 'completed');
    assert.equal(await cluster.stop(), 0);
  });
});
