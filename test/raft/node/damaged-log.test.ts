import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { inspectFolder, recoverFolder } from '../../../src/raft/node/index.ts';
import { entryKey } from '../../../src/raft/storage/batch-record.ts';
import { eventually, NodeBed, text, words } from './node-bed.ts';

/** Both ways, in the words that an operator needs. */
const WAYS_OUT =
  /No entry was changed, and this node does not start\. While a majority .* is alive, restore from its peers: remove this node from the cluster, move the folder away, and let it join as new\. If no majority is left: zkraft raft recover --force-new-cluster/;

describe('a log that is damaged (rule 10)', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  /** Of a node that was stopped in good order, with twenty words; entry 10 is theirs. */
  async function damagedFolder(damage: (level: ClassicLevel<string, Uint8Array>) => Promise<void>): Promise<string> {
    const a = await bed.start('a', { bootstrap: true });
    await eventually(() => a.node.status().state === 'Leader');
    for (let i = 0; i < 20; i += 1) await a.node.propose(text(`word ${i}`));
    await bed.stop('a');
    const dir = join(bed.root, 'a');
    const level = new ClassicLevel<string, Uint8Array>(join(dir, 'log'), {
      ...{ keyEncoding: 'utf8', valueEncoding: 'view', compression: false },
      createIfMissing: false,
    });
    await level.open();
    await damage(level);
    await level.close();
    return dir;
  }

  const damages = {
    'a gap': (level: ClassicLevel<string, Uint8Array>) => level.del(entryKey(10)),
    'a flipped bit': async (level: ClassicLevel<string, Uint8Array>) => {
      const bytes = Uint8Array.from((await level.get(entryKey(10))) as Uint8Array);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await level.put(entryKey(10), bytes);
    },
  };

  it('by a gap keeps the node from starting, and is told with both ways out', async () => {
    const dir = await damagedFolder(damages['a gap']);
    const refusal = { code: 'log_corrupt', message: WAYS_OUT };
    await assert.rejects(bed.start('a'), refusal);
    await assert.rejects(bed.start('a', { bootstrap: true }), refusal, 'nor is it begun anew');
    await assert.rejects(inspectFolder(dir), { code: 'log_corrupt', message: /entry 10 is missing/ });
    await assert.rejects(recoverFolder({ dir, consent: true }), refusal, 'recovery wants a sound log');
  });

  it('by a flipped bit keeps the node from starting, and is told with both ways out', async () => {
    const dir = await damagedFolder(damages['a flipped bit']);
    await assert.rejects(bed.start('a'), { code: 'log_corrupt', message: WAYS_OUT });
    await assert.rejects(inspectFolder(dir), { code: 'log_corrupt', message: /entry 10 fails its checksum/ });
  });

  it('is left alone: mended, the node goes on with all that it had', async () => {
    let lost: Uint8Array | undefined;
    const dir = await damagedFolder(async (level) => {
      lost = Uint8Array.from((await level.get(entryKey(10))) as Uint8Array);
      await damages['a gap'](level);
    });
    await assert.rejects(bed.start('a'), { code: 'log_corrupt' });
    const level = new ClassicLevel<string, Uint8Array>(join(dir, 'log'), {
      ...{ keyEncoding: 'utf8', valueEncoding: 'view', compression: false },
    });
    await level.put(entryKey(10), lost as Uint8Array);
    await level.close();
    const a = await bed.start('a');
    assert.equal(words(a).length, 20);
  });
});
