import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hasCode } from '../storage/log-beds.ts';
import { ScriptedPeers } from './scripted-peers.ts';

describe('a node that joins a cluster', () => {
  let bed: ScriptedPeers;
  beforeEach(async () => {
    bed = await ScriptedPeers.startWaiting();
  });
  afterEach(() => bed.node.close());

  const letIn = (): Promise<void> =>
    bed.node.admit(
      {
        nodeId: 2,
        name: 'b',
        incarnationId: 'incarnation of b',
        raftAddress: 'b',
        clientAddress: 'b:clients',
        clusterId: 'a cluster',
      },
      bed.id,
    );

  it('makes its log for the first leader that comes', async () => {
    await letIn();
    assert.equal(bed.node.status().clusterId, 'a cluster');
    assert.equal(bed.node.status().isWaiting, false);
  });

  it('ends when its log cannot be made, and does not stay up to refuse everybody', async () => {
    bed.place.disk.failNext(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' }));
    await assert.rejects(letIn(), hasCode('log_write_failed', /EIO/));
    assert.deepEqual(bed.fatal, ['log_write_failed']);
  });

  it('begins again where the making of its log was cut off', async () => {
    bed.place.disk.autoSync = false;
    const joining = letIn();
    joining.catch(() => {});
    await bed.settle();
    bed.place.disk.sync(1);
    await bed.settle();
    bed.place.disk.autoSync = true;
    await bed.powerCut();
    assert.equal(bed.node.status().isWaiting, true);
    await letIn();
    assert.equal(bed.node.status().clusterId, 'a cluster');
  });
});
