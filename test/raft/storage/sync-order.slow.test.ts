/**
 * Written, synced, told: in this order, by the system calls. A kill cannot show a missing fsync, since the page cache
 * survives it; the trace can. Needs `strace`, and the right to trace a child. Of three processes:
 * `../processes/sync-order.slow.test.ts`.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isSynced, tracedNode, WITHOUT_STRACE, writtenTo } from '../../support/system-calls.ts';
import { freshDir } from './log-beds.ts';

const APPENDS = 40;

test('each append is synced after it was written and before it is acknowledged', { skip: WITHOUT_STRACE }, async () => {
  const dir = await freshDir();
  const script = fileURLToPath(new URL('./append-in-turn.ts', import.meta.url));
  const lines = tracedNode(join(await freshDir(), 'trace.txt'), [script, join(dir, 'log'), String(APPENDS)]);
  let from = 0;
  for (let index = 1; index <= APPENDS; index += 1) {
    const written = lines.findIndex((line, i) => i >= from && line.includes(`traced-entry-${index}.`));
    const descriptor = writtenTo(lines[written]);
    const told = lines.findIndex((line, i) => i >= from && line.includes(`write(1, "told-of-${index}.`));
    assert.ok(descriptor !== undefined && told > written, `append ${index} was written before it was told of`);
    assert.ok(isSynced(lines.slice(written, told), descriptor), `append ${index} was synced in between`);
    from = told;
  }
});
