import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { silentLogger } from '../../src/common/logging/index.ts';
import { createLevelLog, inspectFolder, openSingleNodeLog, recoverFolder } from '../../src/raft/index.ts';
import { ListMachine } from './list-machine.ts';

const root = mkdtempSync(join(tmpdir(), 'zkraft-other-logs-'));
after(() => rmSync(root, { recursive: true, force: true }));

const single = (dir: string) =>
  openSingleNodeLog<string>({ dir, nodeId: 'a', grpcAddress: 'a:1', logger: silentLogger });
const identityIn = (dir: string): string => readFileSync(join(dir, 'identity.json'), 'utf8');

describe('the log of one node and that of several', () => {
  it('do not take one another for damaged: a folder of the one is refused by the other, and stays as it is', async () => {
    const dir = join(root, 'single');
    const log = await single(dir);
    await log.start(new ListMachine());
    await log.close();
    const before = [identityIn(dir), readdirSync(dir).sort()];
    for (const open of [() => inspectFolder(dir), () => recoverFolder({ dir, consent: true })]) {
      await assert.rejects(open(), {
        code: 'config_invalid',
        message:
          /holds the log of a single node, which a node of a replicated log does not read; name another directory/,
      });
    }
    assert.deepEqual([identityIn(dir), readdirSync(dir).sort()], before);
  });

  it('the other way round too', async () => {
    const dir = join(root, 'replicated');
    const identity = { clusterId: 'c', nodeName: 'a', nodeId: 7, incarnationId: 'i' };
    await (await createLevelLog(dir, { identity })).close();
    await assert.rejects(single(dir), {
      code: 'config_invalid',
      message: /replicated holds the log of a node of several, which this coordinator does not read; name another/,
    });
  });
});
