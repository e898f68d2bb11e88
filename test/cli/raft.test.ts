import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { silentLogger } from '../../src/common/logging/index.ts';
import { raftAdmin } from '../../src/common/rpc/index.ts';
import { createRaftAdminService } from '../../src/raft/index.ts';
import { type BedNode, eventually, NodeBed, pause, text } from '../raft/node/node-bed.ts';
import { zkraft } from '../support/cli.ts';

type Row = Readonly<Record<string, unknown>>;

describe('zkraft raft', () => {
  const bed = new NodeBed();
  const servers: Server[] = [];
  const addresses = new Map<string, string>();

  /** A node whose Raft address is where its admin service is. */
  async function start(name: string, bootstrap = false): Promise<BedNode> {
    const server = new Server();
    const address = await new Promise<string>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(`127.0.0.1:${port}`) : reject(error),
      );
    });
    const node = await bed.start(name, { bootstrap, raftAddress: address, connect: bed.network.connector(address) });
    server.addService(raftAdmin.RaftAdminServiceService, createRaftAdminService(node.node, silentLogger));
    servers.push(server);
    addresses.set(name, address);
    return node;
  }

  const raft = (of: string, ...args: string[]) =>
    zkraft(['raft', ...args, '--address', addresses.get(of) ?? '', '--json']);
  const peers = async (of: string): Promise<string[]> => {
    const { peers: rows } = (await raft(of, 'list-peers')).json() as { peers: Row[] };
    return rows.map(({ node, role, leader }) => `${node} ${role}${leader ? ' leads' : ''}`).sort();
  };

  before(async () => {
    const a = await start('a', true);
    await eventually(() => a.node.status().state === 'Leader');
    await start('b');
    await start('c');
  });
  after(async () => {
    for (const server of servers) server.forceShutdown();
    await bed.close();
  });

  it('adds and promotes peers, from whichever node it is asked', async () => {
    const added = await raft('a', 'add-peer', addresses.get('b') ?? '');
    assert.equal(added.code, 0, added.stdout + added.stderr);
    assert.deepEqual((added.json().peer as Row).role, 'learner');
    await eventually(() => bed.nodes.get('b')?.node.status().leaderId === 'a');
    await pause(150);
    // By itself it may be about to be one; b does not lead, and names who does.
    await eventually(async () => (await raft('b', 'promote', 'b')).code === 0, 20_000);
    assert.equal((await raft('b', 'add-peer', addresses.get('c') ?? '')).code, 0);
    await eventually(async () => (await raft('a', 'promote', 'c')).code === 0, 20_000);
    assert.deepEqual(await peers('c'), ['a voter leads', 'b voter', 'c voter']);
  });

  it('shows how a node stands', async () => {
    await bed.nodes.get('a')?.node.propose(text('x'));
    const status = (await raft('a', 'status')).json();
    assert.deepEqual([status.node, status.state, status.leader, status.peers], ['a', 'Leader', 'a', 3]);
    assert.equal(status.epoch, 1);
    const forPeople = await zkraft(['raft', 'list-peers', '--address', addresses.get('a') ?? '']);
    assert.match(forPeople.stdout, /^NODE +ROLE +LEADER +RAFT/);
    assert.deepEqual((await raft('a', 'snapshot-info')).json().snapshots, []);
  });

  it('hands leadership over, and says why it does not', async () => {
    const moved = await raft('c', 'transfer-leadership', '--to', 'b');
    assert.deepEqual(moved.json(), { success: true, leader: 'b' });
    const unknown = await raft('a', 'transfer-leadership', '--to', 'nobody');
    assert.equal(unknown.code, 2);
    assert.equal((unknown.json().error as Row).code, 'peer_not_found');
    const { term } = bed.nodes.get('b')?.node.status() ?? { term: 0 };
    assert.equal((await raft('a', 'step-down')).code, 0);
    await eventually(async () => (await bed.leader()).node.status().term > term);
  });

  it('removes a peer, and lists the rest without a leader', async () => {
    const leader = await bed.leader();
    const victim = leader.name === 'c' ? 'b' : 'c';
    const removed = await raft(leader.name, 'remove-peer', victim);
    assert.equal(removed.code, 0, removed.stdout);
    await bed.stop(victim);
    await bed.stop(leader.name);
    const [left = ''] = bed.nodes.keys();
    await eventually(() => bed.nodes.get(left)?.node.status().leaderId === undefined);
    assert.equal((await peers(left)).length, 2);
    const refused = await raft(left, 'remove-peer', leader.name);
    assert.equal((refused.json().error as Row).code, 'not_leader');
  });

  it('looks into a folder that nothing runs on, and recovers one with consent', async () => {
    for (const name of [...bed.nodes.keys()]) await bed.stop(name);
    const dir = join(bed.root, 'a');
    const listed = await zkraft(['raft', 'list-peers', '--dir', dir, '--json']);
    assert.ok(
      (listed.json().peers as Row[]).some(({ node }) => node === 'a'),
      listed.stdout,
    );
    const asked = await zkraft(['raft', 'recover', '--dir', dir, '--json']);
    assert.equal(asked.code, 2);
    assert.match(String((asked.json().error as Row).message), /--force-new-cluster/);
    const recovered = await zkraft(['raft', 'recover', '--dir', dir, '--force-new-cluster', '--json']);
    assert.equal(recovered.code, 0, recovered.stdout);
    assert.notEqual(recovered.json().cluster_id, recovered.json().old_cluster_id);
    assert.equal(recovered.json().epoch, 2);
    const after = await zkraft(['raft', 'list-peers', '--dir', dir, '--json']);
    assert.deepEqual(
      (after.json().peers as Row[]).map(({ node, role }) => [node, role]),
      [['a', 'voter']],
    );
  });
});
