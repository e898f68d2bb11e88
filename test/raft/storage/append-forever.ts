/**
 * A child process that appends without end, replaces suffixes, takes snapshots and compacts, and prints what was
 * acknowledged: `<last index> <term> <commit>`. Killed by its test. The text of an entry says which append wrote it.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { createLevelLog, FileSnapshotFolder, SnapshotStore } from '../../../src/raft/index.ts';
import { IDENTITY } from './log-identity.ts';

const dir = process.argv[2] ?? '';
const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const log = await createLevelLog(dir, { identity: IDENTITY, confState });
const store = new SnapshotStore(new FileSnapshotFolder(join(dir, 'snapshots')), { clusterId: IDENTITY.clusterId });
await store.open();

let { term, commit } = log.initialState().hardState;
let last = log.lastIndex();
term += 1;
let sinceSnapshot = 0;
for (let i = 0; ; i += 1) {
  const writes: Promise<void>[] = [];
  for (let k = 0; k < 1 + (i % 3); k += 1) {
    const isReplacement = i % 7 === 6 && k === 0 && last > commit;
    if (isReplacement) term += 1;
    const from = isReplacement ? commit + 1 : last + 1;
    const entries = Array.from({ length: 1 + (i % 5) }, (_, n) => ({
      index: from + n,
      term,
      type: 'normal' as const,
      data: Buffer.from(`${from + n} of term ${term} `.padEnd(300, '.')),
    }));
    last = from + entries.length - 1;
    commit = Math.max(commit, from - 2);
    const [told, hardState] = [`${last} ${term} ${commit}\n`, { term, vote: 1, commit }];
    writes.push(log.append({ entries, hardState }).then(() => void writeSync(1, told)));
  }
  await Promise.all(writes);
  sinceSnapshot += 1;
  if (sinceSnapshot < 40 || commit <= (log.recordedSnapshots().at(-1)?.index ?? 0)) continue;
  sinceSnapshot = 0;
  const metadata = { index: commit, term: log.term(commit) ?? 0, confState };
  const writer = await store.create(metadata);
  await writer.write(Buffer.from(`state at ${commit}`));
  await writer.finish();
  await log.recordSnapshot(metadata);
  await store.keepOnly(log.recordedSnapshots());
  await log.compact(log.recordedSnapshots()[0]?.index ?? 0);
}
