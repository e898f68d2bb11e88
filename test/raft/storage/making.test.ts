/** The making of a log, cut off at each of its syncs: nothing was promised yet, so it can be begun again. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  createLog,
  holdsLevelLog,
  holdsLog,
  openLevelLog,
  openLog,
  SimulatedDisk,
} from '../../../src/raft/storage/index.ts';
import { CONF, entry, hasCode, IDENTITY } from './log-beds.ts';

const EIO = (): Error => Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Makes a log until `syncs` of its syncs are done, and cuts the power. Whether that was before the end. */
async function cutOff(disk: SimulatedDisk, syncs: number): Promise<boolean> {
  let isMade = false;
  void createLog(disk, { identity: IDENTITY, confState: CONF }).then(() => {
    isMade = true;
  });
  await turn();
  for (let done = 0; done < syncs; done += 1) {
    disk.sync(1);
    await turn();
  }
  disk.crash();
  return !isMade;
}

describe('the making of a log', () => {
  test('can be begun again, wherever it was cut off', async () => {
    let cuts = 0;
    for (; ; cuts += 1) {
      const disk = new SimulatedDisk();
      if (!(await cutOff(disk, cuts))) break;
      disk.autoSync = true;
      if (!(await holdsLog(disk))) {
        const log = await createLog(disk, { identity: IDENTITY, confState: CONF });
        await log.append({ entries: [entry(1, 1)], hardState: { term: 1, vote: 1, commit: 0 } });
        await log.close();
      }
      const log = await openLog(disk);
      assert.deepEqual(log.identity, IDENTITY);
      await log.close();
    }
    assert.ok(cuts >= 4, `it has ${cuts} syncs`);
  });

  test('a log without an identity is not taken for one in the making', async () => {
    const disk = new SimulatedDisk({ autoSync: true });
    const log = await createLog(disk, { identity: IDENTITY, confState: CONF });
    await log.append({ entries: [entry(1, 1)], hardState: { term: 1, vote: 1, commit: 0 } });
    await log.close();
    disk.damage('identity.json', () => undefined);
    await assert.rejects(holdsLog(disk), hasCode('log_corrupt', /identity.json is missing, but there is a log/));
  });

  test('a folder with an engine and nothing in it holds no log', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'zkraft-making-'));
    try {
      assert.equal(await holdsLevelLog(dir), false);
      mkdirSync(join(dir, 'log'));
      assert.equal(await holdsLevelLog(dir), false);
      await assert.rejects(openLevelLog(dir), hasCode('log_corrupt', /identity.json is missing/));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('a sync that fails is the disk, and no damage of the log', async () => {
    const disk = new SimulatedDisk({ autoSync: true });
    disk.failNext(EIO());
    await assert.rejects(createLog(disk, { identity: IDENTITY, confState: CONF }), hasCode('log_write_failed', /EIO/));
    await (await createLog(disk, { identity: IDENTITY, confState: CONF })).close();
    disk.failNext(EIO());
    await assert.rejects(openLog(disk), hasCode('log_write_failed', /EIO.*look at the disk/));
    await (await openLog(disk)).close();
  });
});
