/** kill -9 in mid-append, time after time: what was acknowledged is there, in order, and the node starts again. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openLevelLog } from '../../../src/raft/index.ts';
import { freshDir, hasCode } from './log-beds.ts';
import { boot } from './rotting-folder.ts';

const KILLS = 40;

interface Told {
  readonly last: number;
  readonly term: number;
  readonly commit: number;
}

/** Runs the child until it was told of `appends` more, and kills it. */
async function appendAndKill(dir: string, appends: number, whileItRuns?: () => Promise<void>): Promise<Told> {
  const script = fileURLToPath(new URL('./append-forever.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  let [tail, lines, newest] = ['', 0, ''];
  let check: Promise<void> | undefined;
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const whole = (tail + chunk.toString()).split('\n');
      tail = whole.pop() ?? '';
      lines += whole.length;
      newest = whole.at(-1) ?? newest;
      if (lines < appends || check !== undefined) return;
      check = (async () => {
        await whileItRuns?.();
      })().finally(() => child.kill('SIGKILL'));
    });
    child.on('close', () => resolve());
  });
  await check;
  assert.equal(child.signalCode, 'SIGKILL', 'the child was killed, and did not fail by itself');
  const [last = 0, term = 0, commit = 0] = newest.split(' ').map(Number);
  return { last, term, commit };
}

test(`${KILLS} kills in mid-append lose nothing that was acknowledged`, async () => {
  const dir = await freshDir();
  let snapshots = 0;
  for (let round = 0; round < KILLS; round += 1) {
    const told = await appendAndKill(dir, 20 + ((round * 37) % 150));
    const { entries, state, snapshot } = await boot(dir);
    const [hardState, , firstIndex, lastIndex] = state as [Told, unknown, number, number];
    assert.ok(hardState.term >= told.term && hardState.commit >= told.commit, `round ${round}: the hard state is kept`);
    // A later append, which nobody was told of, may have replaced what was not committed: by one of a later term.
    const isReplaced = hardState.term > told.term;
    assert.ok(lastIndex >= told.last || isReplaced, `round ${round}: ends with ${lastIndex}, told of ${told.last}`);
    entries.forEach((text, i) => {
      const [, index, term] = /^(\d+)\/(\d+) /.exec(text) ?? [];
      assert.equal(Number(index), firstIndex + i);
      assert.ok(text.includes(` ${index} of term ${term} `), text.slice(0, 60));
    });
    assert.equal(entries.length, lastIndex - firstIndex + 1);
    snapshots = Math.max(snapshots, snapshot);
  }
  assert.ok(snapshots > 100, 'snapshots were taken, and the log compacted');
});

test('a second process on the folder is kept out, and does the first no harm', async () => {
  const dir = await freshDir();
  const told = await appendAndKill(dir, 30, async () => {
    await assert.rejects(openLevelLog(dir), hasCode('already_running', /is in use by another process/));
    await assert.rejects(openLevelLog(dir), hasCode('already_running'));
  });
  const { state } = await boot(dir);
  assert.ok((state as [Told])[0].commit >= told.commit);
});
