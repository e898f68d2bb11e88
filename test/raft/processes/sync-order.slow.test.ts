/**
 * A majority has written and synced what a client is told of: by the system calls of three processes and their client, in
 * one trace. Needs `strace`, and the right to trace a child.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WITHOUT_OPENSSL } from '../../support/certificates.ts';
import { isSynced, tracedNode, WITHOUT_STRACE, writtenTo } from '../../support/system-calls.ts';

const WRITES = 30;
const NODES = ['a', 'b', 'c'];

test('each write is synced by two of three nodes before its client hears of it', {
  skip: WITHOUT_OPENSSL || WITHOUT_STRACE,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'raft-trace-'));
  try {
    const script = fileURLToPath(new URL('./write-in-turn.ts', import.meta.url));
    const lines = tracedNode(join(folder, 'trace.txt'), [script, String(WRITES)], { paths: true });
    let from = 0;
    for (let index = 1; index <= WRITES; index += 1) {
      const told = lines.findIndex(
        (line, i) => i >= from && /write\(1</.test(line) && line.includes(`told-of-${index}.`),
      );
      assert.ok(told >= from, `the client was told of write ${index}`);
      const before = lines.slice(from, told);
      const durable = NODES.filter((node) => holds(before, node, `traced-entry-${index}.`));
      assert.ok(
        durable.length >= 2,
        `write ${index} was durable on ${durable.join(', ') || 'no node'} when it was told of`,
      );
      from = told;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Whether a file in the node's folder was given the entry, and then synced. */
function holds(lines: readonly string[], node: string, entry: string): boolean {
  return lines.some((line, i) => {
    if (!line.includes(entry)) return false;
    const descriptor = writtenTo(line);
    const isOfNode = descriptor !== undefined && new RegExp(`/raft-processes-[^/]*/${node}/`).test(descriptor);
    return isOfNode && isSynced(lines.slice(i + 1), descriptor);
  });
}
