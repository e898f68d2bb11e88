import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WITHOUT_OPENSSL } from '../../support/certificates.ts';
import { type Finished, zkraft } from '../../support/cli.ts';
import { type ChildNode, eventually, ProcessBed, retried } from '../../support/raft-processes.ts';

type Row = Readonly<Record<string, unknown>>;

describe('zkraft raft over mutual TLS', { skip: WITHOUT_OPENSSL }, () => {
  let bed: ProcessBed;
  before(async () => {
    bed = new ProcessBed({ timeoutMs: 500 });
    await bed.cluster(['a', 'b', 'c']);
  });
  after(() => bed.close());

  const at = ({ options }: ChildNode): string[] => ['--address', options.raftAddress, '--json'];
  const certificates = ({ options: { files } }: ChildNode): string[] => [
    ...['--cert-file', files.cert],
    ...['--key-file', files.key],
    ...['--ca-file', files.ca],
  ];

  it('is served on the Raft port, to whoever shows a certificate of the cluster', async () => {
    const [a] = bed.running();
    assert.ok(a);
    const listed = await zkraft(['raft', 'list-peers', ...at(a), ...certificates(a)]);
    assert.equal(listed.code, 0, listed.stdout + listed.stderr);
    const peers = listed.json().peers as Row[];
    assert.deepEqual(peers.map(({ node, role }) => `${node} ${role}`).sort(), ['a voter', 'b voter', 'c voter']);
    const stranger = await zkraft(['raft', 'list-peers', ...at(a)]);
    assert.equal(stranger.code, 4, stranger.stdout);
    const half = await zkraft(['raft', 'list-peers', ...at(a), '--ca-file', a.options.files.ca]);
    assert.equal(half.code, 2, half.stdout);
  });

  it('finds the leader from any node', async () => {
    const leader = await bed.leader();
    const other = bed.running().find((node) => node !== leader);
    assert.ok(other);
    const moved = await zkraft([
      'raft',
      'transfer-leadership',
      '--to',
      other.name,
      ...at(other),
      ...certificates(other),
    ]);
    assert.deepEqual(moved.json(), { success: true, leader: other.name });
    assert.equal((await bed.leader()).name, other.name);
  });

  it('adds a new node, promotes and removes it, and refuses one of another cluster', async () => {
    const leader = await bed.leader();
    const raft = (...args: string[]) => zkraft(['raft', ...args, ...at(leader), ...certificates(leader)]);
    const fresh = await bed.start('d');
    assert.equal((await raft('add-peer', fresh.options.raftAddress)).code, 0);
    await eventually(async () => (await fresh.status()).state === 'Learner');
    await retried(async () => assert.equal((await raft('promote', 'd')).code, 0));
    await bed.agree(4);
    assert.equal((await raft('remove-peer', 'd')).code, 0);
    assert.equal((await leader.status()).peers, 3);
    const foreign = await bed.start('x', true);
    await eventually(async () => (await foreign.status()).state === 'Leader');
    const refused = await raft('add-peer', foreign.options.raftAddress);
    assert.equal((refused.json().error as Row).code, 'membership_refused');
    assert.match(String((refused.json().error as Row).message), /another cluster/);
  });
});

describe('zkraft raft when something is wrong', { skip: WITHOUT_OPENSSL }, () => {
  let bed: ProcessBed;
  let waiting: ChildNode;
  before(async () => {
    bed = new ProcessBed({ timeoutMs: 500 });
    await bed.cluster(['a', 'b', 'c']);
    waiting = await bed.start('w');
  });
  after(() => bed.close());

  const show = ({ options: { files } }: ChildNode): string[] => [
    ...['--cert-file', files.cert],
    ...['--key-file', files.key],
    ...['--ca-file', files.ca],
  ];
  const raft = (at: ChildNode, ...args: string[]) =>
    zkraft(['raft', ...args, '--address', at.options.raftAddress, ...show(at), '--json']);

  /** The exit code and the error's code are as told, and the message says what is wrong. */
  async function refused(finished: Promise<Finished>, code: string, exit: number, says: RegExp): Promise<void> {
    const { code: exitCode, stdout, stderr, json } = await finished;
    assert.equal(exitCode, exit, stdout + stderr);
    const error = json().error as Row;
    assert.equal(error.code, code, stdout);
    assert.match(String(error.message), says);
    assert.equal(stderr, '', 'nothing beside the answer');
  }

  it('names the members when a name is unknown, and who leads already', async () => {
    const leader = await bed.leader();
    for (const action of ['promote', 'remove-peer']) {
      await refused(raft(leader, action, 'nobody'), 'peer_not_found', 2, /no member is called "nobody"; there are: /);
    }
    const other = bed.running().find((node) => node !== leader && node !== waiting);
    assert.ok(other);
    await refused(raft(other, 'transfer-leadership', '--to', 'zz'), 'peer_not_found', 2, /"zz"; there are: /);
    await refused(raft(other, 'transfer-leadership', '--to', leader.name), 'membership_refused', 1, /leads already/);
    assert.equal((await raft(other, 'promote', leader.name)).code, 0, 'a voter already: nothing to do');
    await refused(raft(other, 'remove-peer', leader.name), 'membership_refused', 1, /transfer leadership first/);
    await refused(raft(other, 'promote', ''), 'invalid_request', 2, /a name has 1 to 255 characters/);
  });

  it('says of an address what is wrong with it: no address, nobody there, no such name', async () => {
    const leader = await bed.leader();
    await refused(
      raft(leader, 'add-peer', 'nonsense'),
      'invalid_request',
      2,
      /"nonsense" is no address; give host:port/,
    );
    await refused(raft(leader, 'add-peer', '127.0.0.1:1'), 'peer_unreachable', 4, /nothing answers at 127\.0\.0\.1:1 /);
    const status = (address: string) => zkraft(['raft', 'status', '--address', address, '--json', ...show(leader)]);
    await refused(status('nonsense'), 'usage', 2, /--address nonsense is no address; give host:port/);
    await refused(
      status('127.0.0.1:1'),
      'peer_unreachable',
      4,
      /nothing answers at 127\.0\.0\.1:1 \(connect ECONNREFUSED/,
    );
    await refused(status('nobody.invalid:7000'), 'peer_unreachable', 4, /nothing answers at nobody\.invalid:7000/);
  });

  it('says of certificates which one is wrong', async () => {
    const leader = await bed.leader();
    const { raftAddress, files } = leader.options;
    const dir = join(bed.root, 'strange-certs');
    assert.equal((await zkraft(['certs', 'init', '--dir', dir])).code, 0);
    assert.equal((await zkraft(['certs', 'issue', 'operator', '--dir', dir])).code, 0);
    const status = (...more: string[]) => zkraft(['raft', 'status', '--address', raftAddress, '--json', ...more]);
    const strange = ['--cert-file', join(dir, 'operator.crt'), '--key-file', join(dir, 'operator.key')];
    await refused(
      status(...strange, '--ca-file', files.ca),
      ...([
        'peer_refused',
        1,
        /the certificate of --cert-file is not of the authority in --ca-file; issue a new/,
      ] as const),
    );
    await refused(
      status(...strange, '--ca-file', join(dir, 'ca.crt')),
      ...([
        'peer_refused',
        1,
        /certificate of the node at 127\.0\.0\.1:\d+ is not of the authority in --ca-file/,
      ] as const),
    );
    await refused(
      status(),
      'peer_unreachable',
      4,
      /hangs up when it is spoken to in plain text.*--cert-file, --key-file/,
    );
    await refused(status('--ca-file', files.ca), 'config_invalid', 2, /wants a certificate from both sides/);
    const { key, ca } = files;
    const nowhere = ['--cert-file', '/nowhere.crt', '--key-file', key, '--ca-file', ca];
    await refused(status(...nowhere), 'config_invalid', 2, /\/nowhere\.crt cannot be read/);
    const shown = await raft(leader, 'status');
    const refusals = shown.json().refusals as Row[];
    assert.ok(
      refusals.some(({ peer, reason }) => peer === '127.0.0.1' && /speaks plain text/.test(String(reason))),
      shown.stdout,
    );
    const forPeople = await zkraft(['raft', 'status', '--address', raftAddress, ...show(leader)]);
    assert.match(forPeople.stdout, /^not let in: 127\.0\.0\.1, \d+ times, last \d+ s ago: .*not of the authority/m);
  });

  it('tells a node that waits from one that is a member', async () => {
    const status = (await raft(waiting, 'status')).json();
    assert.deepEqual([status.waiting, status.cluster_id, status.peers], [true, '', 0]);
    assert.deepEqual((await raft(waiting, 'list-peers')).json().peers, []);
    const address = ['--address', waiting.options.raftAddress, ...show(waiting)];
    const forPeople = await zkraft(['raft', 'list-peers', ...address]);
    assert.match(forPeople.stdout, /member of no cluster yet: a leader must add it \(zkraft raft add-peer\)/);
    await refused(
      raft(waiting, 'promote', 'a'),
      'not_leader',
      4,
      /waits until a leader adds it to a cluster; ask a member/,
    );
  });

  it('says of a folder why it cannot be looked into', async () => {
    const look = (dir: string) => zkraft(['raft', 'list-peers', '--dir', dir, '--json']);
    const inUse = bed.dir((await bed.leader()).name);
    await refused(look(inUse), 'already_running', 4, /is in use by another process; stop it/);
    const recover = ['raft', 'recover', '--dir', inUse, '--force-new-cluster', '--json'];
    await refused(zkraft(recover), 'already_running', 4, /is in use by another process; stop it/);
    await refused(
      zkraft(recover.filter((arg) => !arg.startsWith('--force'))),
      'usage',
      2,
      /repeat with --force-new-cl/,
    );
    await refused(look('/nowhere'), 'config_invalid', 2, /\/nowhere does not exist/);
    await refused(look(bed.root), 'config_invalid', 2, /holds no replicated log; name the raft directory of a node/);
    const single = join(bed.root, 'single');
    mkdirSync(join(single, 'log'), { recursive: true });
    writeFileSync(join(single, 'log', 'CURRENT'), '');
    writeFileSync(join(single, 'identity.json'), JSON.stringify({ version: 1, clusterId: 'c', nodeId: 'a' }));
    await refused(look(single), 'config_invalid', 2, /holds the log of a coordinator from before clusters/);
    const info = ['raft', 'snapshot-info', '--dir', bed.dir('w'), '--json'];
    await refused(zkraft(info), 'config_invalid', 2, /waits to be added to a cluster, and has no log yet/);
  });

  it('lets a removed node know, and operators see it in its list of peers', async () => {
    const leader = await bed.leader();
    const victim = bed.running().find((node) => node !== leader && node !== waiting);
    assert.ok(victim);
    assert.equal((await raft(leader, 'remove-peer', victim.name)).code, 0);
    const said = new RegExp(`"${victim.name}" (was removed from the cluster|is no member of this cluster)`);
    await eventually(async () => {
      const peers = (await raft(victim, 'list-peers')).json().peers as Row[];
      return peers.some(({ link, link_problem: problem }) => link === 'refused' && said.test(String(problem)));
    });
    assert.equal((await raft(leader, 'add-peer', victim.options.raftAddress)).code, 0);
    await retried(async () => assert.equal((await raft(leader, 'promote', victim.name)).code, 0));
    await eventually(async () => (await victim.status()).peers === 3);
  });

  it('answers what it can without a leader, and says so where it cannot', async () => {
    const leader = await bed.leader();
    const others = bed.running().filter((node) => node !== leader && node !== waiting);
    for (const other of others) await other.kill();
    await eventually(async () => (await leader.status()).state !== 'Leader');
    const peers = (await raft(leader, 'list-peers')).json().peers as Row[];
    assert.equal(peers.length, 3);
    const away = peers.filter(({ node }) => node !== leader.name);
    await eventually(async () => {
      const rows = (await raft(leader, 'list-peers')).json().peers as Row[];
      return rows.filter(({ link }) => link === 'unreachable').length === 2;
    });
    assert.equal(away.length, 2);
    for (const action of [['step-down'], ['transfer-leadership'], ['remove-peer', others[0]?.name ?? '', '--force']]) {
      await refused(
        raft(leader, ...action),
        'not_leader',
        4,
        /knows of no leader at the moment.*raft list-peers shows/,
      );
    }
    const offline = await zkraft(['raft', 'list-peers', '--dir', bed.dir(others[0]?.name ?? ''), '--json']);
    assert.equal((offline.json().peers as Row[]).length, 3, offline.stdout);
    const gone = others[0] as ChildNode;
    await refused(raft(gone, 'status'), 'peer_unreachable', 4, /nothing answers at/);
  });

  it('does not wait for ever for a process that is stopped', async () => {
    const stopped = bed.running().find((node) => node !== waiting);
    assert.ok(stopped);
    stopped.signal('SIGSTOP');
    try {
      await refused(
        raft(stopped, 'status'),
        'request_timeout',
        4,
        /did not answer within 10 s; its process may be stopped/,
      );
    } finally {
      stopped.signal('SIGCONT');
    }
  });
});
