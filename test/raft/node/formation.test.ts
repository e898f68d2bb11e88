import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type BedNode, eventually, NodeBed, pause, retried } from './node-bed.ts';

const PEERS = ['a', 'b', 'c'].map((name) => ({ name, raftAddress: name }));
const voters = ({ node }: BedNode): number => node.confState?.voters.length ?? 0;

describe('a cluster that forms from a list', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  const start = (name: string, bootstrap = false) => bed.start(name, { bootstrap, peers: PEERS });
  const formed = async (): Promise<BedNode[]> => {
    // The others first: they wait, whoever comes when.
    const waiting = [await start('b'), await start('c')];
    const all = [await start('a', true), ...waiting];
    await eventually(() => all.every((one) => voters(one) === 3));
    return all;
  };

  it('has all who wait under a listed name, as voters, without anybody’s doing', async () => {
    const all = await formed();
    await bed.leader();
    assert.equal(new Set(all.map(({ node }) => node.status().clusterId)).size, 1);
  });

  it('takes nobody in who is called otherwise, or has a cluster', async () => {
    const [first] = [await start('a', true), await start('b')];
    await eventually(() => first.node.status().peers === 2);
    const stranger = await bed.start('x', { raftAddress: 'c', connect: bed.network.connector('c') });
    await pause(600);
    assert.equal(stranger.node.status().isWaiting, true);
    await bed.stop('x');
    // Begun elsewhere: while it begins it has no cluster yet.
    const elsewhere = { raftAddress: 'z', connect: bed.network.connector('z') };
    const begun = await bed.start('c', { ...elsewhere, bootstrap: true });
    await eventually(() => begun.node.status().state === 'Leader');
    await bed.stop('c');
    const foreign = await bed.start('c');
    await eventually(() => foreign.node.status().state === 'Leader');
    await pause(600);
    assert.equal(first.node.status().peers, 2);
    assert.notEqual(foreign.node.status().clusterId, first.node.status().clusterId);
  });

  it('is begun once a majority of the list is there, and not before', async () => {
    const first = await start('a', true);
    await pause(600);
    assert.equal(first.node.status().isWaiting, true, 'it may be one that lost its folder, and the others are away');
    await start('c');
    await eventually(() => first.node.status().peers === 2);
  });

  it('is not held up by a peer that does not answer for long', async () => {
    const { connector } = bed.network;
    bed.network.connector = (address) => async (host) => {
      const transport = await connector.call(bed.network, address)(host);
      // The others ask b, who is switched off: it takes longer than the pause between two tries.
      const identify = async (at: string) => {
        if (at === 'b') await pause(400);
        return await transport.identify(at);
      };
      return { ...transport, identify };
    };
    const first = await start('a', true);
    await start('c');
    await eventually(() => first.node.status().peers === 2);
  });

  it('leaves out who was removed, and takes it back once its folder is empty', async () => {
    await formed();
    const leader = await bed.leader();
    const gone = ['b', 'c'].find((name) => name !== leader.name) as string;
    await retried(() => leader.node.removePeer(gone));
    await pause(600);
    assert.equal(leader.node.status().peers, 2, 'its list still has it, and it still answers there');
    await bed.stop(gone);
    bed.wipe(gone);
    const back = await start(gone);
    await eventually(() => voters(back) === 3);
  });

  it('is not begun again by the first of the list when that lost its folder: it waits, and its name is taken', async () => {
    await formed();
    await bed.stop('a');
    const leader = await bed.leader();
    bed.wipe('a');
    const back = await start('a', true);
    await pause(600);
    assert.deepEqual([back.node.status().isWaiting, leader.node.status().peers], [true, 3]);
    await retried(() => leader.node.removePeer('a'));
    await eventually(() => voters(back) === 3);
    assert.equal(back.node.status().clusterId, leader.node.status().clusterId);
  });
});
