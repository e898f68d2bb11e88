/** Three nodes and a client whose system calls are traced: one write after the other, each told of on standard output. */
import { writeSync } from 'node:fs';
import { KvClient } from '../../../src/raft/index.ts';
import { ProcessBed } from '../../support/raft-processes.ts';

const count = Number(process.argv[2] ?? 1);
// A trace slows everything down; leadership is not what this is about.
const bed = new ProcessBed({ timeoutMs: 5_000 });
try {
  await bed.cluster(['a', 'b', 'c']);
  const client = new KvClient({ replicas: () => bed.replicas(), patienceMs: 60_000 });
  for (let index = 1; index <= count; index += 1) {
    await client.put('key', `traced-entry-${index}.`);
    writeSync(1, `told-of-${index}.\n`);
  }
} finally {
  await bed.close();
}
process.exit(0);
