/**
 * Written, synced, told: in this order, by the system calls. A kill cannot show a missing fsync, since the page cache
 * survives it; the trace can. Needs `strace`, and the right to trace a child.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freshDir } from './log-beds.ts';

const APPENDS = 40;
const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

test('each append is synced after it was written and before it is acknowledged', {
  skip: canTrace ? false : 'SKIPPED: strace is missing or may not trace here; install it to see the fsyncs',
}, async () => {
  const dir = await freshDir();
  const trace = join(await freshDir(), 'trace.txt');
  const script = fileURLToPath(new URL('./append-in-turn.ts', import.meta.url));
  const node = [process.execPath, '--import', 'tsx', script, join(dir, 'log'), String(APPENDS)];
  const calls = ['-e', 'trace=write,fdatasync,fsync', '-s', '2000', '-o', trace];
  const { status, stderr } = spawnSync('strace', ['-f', ...calls, ...node], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const lines = (await readFile(trace, 'utf8')).split('\n');
  let from = 0;
  for (let index = 1; index <= APPENDS; index += 1) {
    const written = lines.findIndex((line, i) => i >= from && line.includes(`traced-entry-${index}.`));
    const descriptor = /write\((\d+),/.exec(lines[written] ?? '')?.[1];
    const told = lines.findIndex((line, i) => i >= from && line.includes(`write(1, "told-of-${index}.`));
    assert.ok(descriptor !== undefined && told > written, `append ${index} was written before it was told of`);
    assert.ok(isSynced(lines.slice(written, told), descriptor), `append ${index} was synced in between`);
    from = told;
  }
});

/** Whether an fdatasync of the descriptor began and came back with success; another thread may have cut in. */
function isSynced(lines: readonly string[], descriptor: string): boolean {
  const begun = lines.findIndex((line) => new RegExp(`\\bf(data)?sync\\(${descriptor}\\b`).test(line));
  const line = lines[begun] ?? '';
  if (/= 0$/.test(line)) return true;
  const pid = line.split(' ')[0];
  const resumed = new RegExp(`^${pid}\\s+<\\.\\.\\. f(data)?sync resumed>\\)\\s+= 0$`);
  return begun >= 0 && lines.slice(begun + 1).some((other) => resumed.test(other));
}
