import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WITHOUT_OPENSSL } from '../../support/certificates.ts';
import { zkraft } from '../../support/cli.ts';
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
