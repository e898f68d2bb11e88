/** Backups as files: the manifest, what is refused before anything is touched, and Raft directories without a database. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { diskFailure, ZkraftError } from '../../src/common/index.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../src/launch/backup/manifest.ts';
import { type BackupOptions, makeBackup, type RestoreBackupOptions, restoreBackup } from '../../src/launch/index.ts';
import { inspectFolder } from '../../src/raft/index.ts';
import { eventually, NodeBed, text, words } from '../raft/node/node-bed.ts';

const MANIFEST: Manifest = {
  format: 1,
  zkraft_version: '0.1.0',
  started_at: '2026-01-01T00:00:00.000Z',
  finished_at: '2026-01-01T00:00:01.000Z',
  database: null,
  raft: null,
  files: [{ path: 'raft/log/000005.ldb', bytes: 1, sha256: 'a'.repeat(64) }],
};

describe('the manifest of a backup', () => {
  it('is read as it was written', () => {
    assert.deepEqual(decodeManifest(encodeManifest(MANIFEST), 'there'), MANIFEST);
  });

  it('is refused with any bit flipped that is not blank', () => {
    const bytes = encodeManifest(MANIFEST);
    for (const [i, byte] of bytes.entries()) {
      if (/\s/.test(String.fromCharCode(byte))) continue;
      const flipped = Uint8Array.from(bytes);
      flipped[i] = byte ^ 1;
      assert.throws(() => decodeManifest(flipped, 'there'), { code: 'backup_invalid' }, `byte ${i}`);
    }
  });

  it('leads nowhere outside its folder, and is of a format that is known', () => {
    const refused = (change: object, words: RegExp) =>
      assert.throws(() => decodeManifest(encodeManifest({ ...MANIFEST, ...change }), 'there'), words);
    for (const path of ['../x', '/etc/x', 'a/../../x', 'a//b', '.hidden', '', 'a\\b']) {
      refused({ files: [{ path, bytes: 1, sha256: 'a'.repeat(64) }] }, /names no such files/);
    }
    refused({ format: 2 }, /has format 2, and this version of zkraft reads 1/);
    assert.throws(() => decodeManifest(Buffer.from('null'), 'there'), { code: 'backup_invalid' });
  });
});

describe('a write that failed', () => {
  it('tells a full disk from the rest, with the remedy', () => {
    const full = diskFailure(
      Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }),
      '/b',
      'backup_failed',
    );
    assert.equal(full.code, 'disk_full');
    assert.match(full.message, /no room for \/b .*make room, or name another place/);
    assert.equal(diskFailure(new Error('other'), '/b', 'backup_failed').code, 'backup_failed');
  });
});

describe('a Raft directory', () => {
  let bed: NodeBed;
  let dir: string;
  const at = (name: string): string => join(dir, name);
  const backUp = (more: Partial<BackupOptions> = {}) =>
    makeBackup({ to: at('backup'), database: undefined, raftDir: join(bed.root, 'a'), env: {}, ...more });
  const restore = (more: Partial<RestoreBackupOptions> = {}) =>
    restoreBackup({
      ...{ from: at('backup'), only: undefined, raftDir: at('restored'), forceNewCluster: false, env: {} },
      // Nobody listens there: nothing here may ask a database.
      database: { connectionString: 'postgresql://nobody@127.0.0.1:1/none' },
      ...more,
    });
  beforeEach(() => {
    bed = new NodeBed();
    dir = mkdtempSync(join(tmpdir(), 'zkraft-backup-'));
  });
  afterEach(async () => {
    await bed.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const alone = async (): Promise<string[]> => {
    const a = await bed.start('a', { bootstrap: true });
    await eventually(() => a.node.status().state === 'Leader');
    for (let i = 0; i < 30; i += 1) await a.node.propose(text(`${i}`));
    await bed.stop('a');
    return words(a);
  };

  it('of a node alone comes back as it was, and the node goes on', async () => {
    const before = await alone();
    const stages: string[] = [];
    const { manifest, bytes } = await backUp({ onProgress: (_, stage) => stages.push(stage.split(':')[0] ?? '') });
    assert.deepEqual([...new Set(stages)].slice(0, 1), ['Raft directory']);
    assert.equal(manifest.raft?.node, 'a');
    assert.deepEqual(manifest.raft?.members, ['a']);
    assert.ok(bytes > 0);
    assert.equal(statSync(at('backup')).mode & 0o777, 0o700);
    const { raft } = await restore();
    assert.deepEqual([raft?.keptIn, raft?.recovered], [undefined, undefined]);
    const { raft: told } = manifest;
    const { identity, lastIndex } = await inspectFolder(at('restored'));
    assert.deepEqual([identity.clusterId, lastIndex], [told?.cluster_id, told?.last_index]);
    const again = await bed.start('a', { dir: at('restored') });
    await eventually(() => again.node.status().state === 'Leader');
    assert.deepEqual(words(again), before);
    await again.node.propose(text('more'));
  });

  it('of one of several comes back only as a new cluster', async () => {
    const [a] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a);
    await a.node.propose(text('kept'));
    const { clusterId } = a.node.status();
    await bed.stop('a');
    await backUp();
    await assert.rejects(restore(), (error: Error & { code: string }) => {
      assert.equal(error.code, 'usage');
      assert.match(error.message, /one of 3 .*forgotten votes.*empty folder.*--force-new-cluster/s);
      return true;
    });
    assert.ok(!existsSync(at('restored')));
    const { raft } = await restore({ forceNewCluster: true });
    assert.equal(raft?.recovered?.oldClusterId, clusterId);
    assert.deepEqual(readdirSync(at('restored')).sort(), ['end.mark', 'identity.json', 'log', 'snapshots'].sort());
    const report = await inspectFolder(at('restored'));
    assert.notEqual(report.identity.clusterId, clusterId);
    assert.deepEqual([report.epoch, report.succeeds], [2, [clusterId]]);
  });

  it('is moved aside, not removed, and only where it is named; one that is damaged as well', async () => {
    await alone();
    await backUp();
    await restore();
    writeFileSync(join(at('restored'), 'identity.json'), 'damaged');
    await assert.rejects(restore(), { code: 'target_not_empty', field: 'replace-raft-dir' });
    assert.equal(readFileSync(join(at('restored'), 'identity.json'), 'utf8'), 'damaged');
    await assert.rejects(restore({ replaceRaftDir: at('other') }), { code: 'usage', field: 'replace-raft-dir' });
    const { raft } = await restore({ replaceRaftDir: at('restored') });
    assert.equal(readFileSync(join(raft?.keptIn ?? '', 'identity.json'), 'utf8'), 'damaged');
    assert.ok((await inspectFolder(at('restored'))).lastIndex > 0);
  });

  it('is not replaced under a node that runs', async () => {
    await alone();
    await backUp();
    await restore();
    await bed.start('a', { dir: at('restored') });
    await assert.rejects(restore({ replaceRaftDir: at('restored') }), { code: 'already_running', field: 'raft-dir' });
  });

  it('goes where it is said, or nowhere', async () => {
    await alone();
    await backUp();
    await assert.rejects(restore({ raftDir: undefined }), { code: 'usage', field: 'raft-dir' });
    await assert.rejects(restore({ only: 'database' }), { code: 'usage', field: 'only' });
    writeFileSync(at('file'), '');
    await assert.rejects(restore({ raftDir: at('file') }), { code: 'file_invalid', field: 'raft-dir' });
    await assert.rejects(restore({ from: at('nowhere') }), { code: 'backup_invalid', field: 'from' });
  });

  it('with a bit flipped, cut short or missing in the backup is refused, and nothing is made', async () => {
    await alone();
    const { manifest } = await backUp();
    const file = manifest.files.find(({ bytes }) => bytes > 0)?.path ?? '';
    const path = join(at('backup'), file);
    const whole = readFileSync(path);
    const flipped = Uint8Array.from(whole);
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1;
    for (const damaged of [flipped, whole.subarray(0, -1), Buffer.concat([whole, Buffer.of(0)])]) {
      writeFileSync(path, damaged);
      await assert.rejects(
        restore(),
        (error: ZkraftError) => error.code === 'backup_invalid' && error.message.includes(file),
      );
    }
    rmSync(path);
    await assert.rejects(restore(), { code: 'backup_invalid' });
    writeFileSync(path, whole);
    rmSync(join(at('backup'), 'manifest.json'));
    await assert.rejects(restore(), (error: Error) =>
      /manifest\.json, which is written last: .* cut off/.test(error.message),
    );
    assert.ok(!existsSync(at('restored')));
  });

  it('is backed up into a new folder or an empty one, and what is cut off cleans up after itself', async () => {
    await alone();
    mkdirSync(at('backup'));
    const signal = AbortSignal.abort(new ZkraftError('cancelled', 'interrupted'));
    await assert.rejects(backUp({ signal }), { code: 'cancelled' });
    assert.deepEqual(readdirSync(at('backup')), [], 'the folder was there, and stays');
    await backUp();
    await assert.rejects(backUp(), { code: 'file_exists', field: 'to' });
    await assert.rejects(backUp({ to: at('cut'), signal }), { code: 'cancelled' });
    assert.ok(!existsSync(at('cut')));
    await assert.rejects(backUp({ to: at('cut'), raftDir: at('nothing') }), { code: 'config_invalid' });
    assert.ok(!existsSync(at('cut')));
  });

  it('is not taken from a node that runs; nothing is left of the attempt', async () => {
    await bed.start('a', { bootstrap: true });
    await assert.rejects(backUp(), { code: 'already_running', field: 'raft-dir' });
    assert.ok(!existsSync(at('backup')));
  });
});
