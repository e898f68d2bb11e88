/** A child process whose system calls are traced: one append after the other, each told of on standard output. */
import { writeSync } from 'node:fs';
import { createLevelLog } from '../../../src/raft/index.ts';
import { IDENTITY } from './log-identity.ts';

const [, , dir = '', count = '1'] = process.argv;
const log = await createLevelLog(dir, { identity: IDENTITY });
for (let index = 1; index <= Number(count); index += 1) {
  const data = Buffer.from(`traced-entry-${index}.`);
  await log.append({
    entries: [{ index, term: 1, type: 'normal', data }],
    hardState: { term: 1, vote: 1, commit: index - 1 },
  });
  writeSync(1, `told-of-${index}.\n`);
}
await log.close();
