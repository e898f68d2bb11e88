/**
 * What is checked before a log is believed (rule 10): everything, each time.
 *
 * The batches form a chain up to the head record, the end mark knows of nothing later, every entry from base to end is
 * there once, whole, in order and chained to its neighbours, and the hard state fits them. The whole log is read, which
 * also fills the tail in memory. Nothing is repaired here: an unacknowledged torn tail was dropped by the engine, in one
 * piece with its head record; all else is `log_corrupt`.
 */
import { ZkraftError } from '../../common/index.ts';
import {
  type BatchLink,
  checkChain,
  decodeHead,
  decodeLink,
  ENTRY_RANGE,
  entryKey,
  HEAD_KEY,
  LINK_RANGE,
  type LogHead,
} from './batch-record.ts';
import type { Disk } from './disk.ts';
import { checkEnd, readMark } from './end-mark.ts';
import { decodeEntry } from './entry-codec.ts';
import type { LogIdentity } from './log-storage.ts';
import type { LogTail } from './log-tail.ts';

const corrupt = (why: string): ZkraftError => new ZkraftError('log_corrupt', why);

/** As Node and LevelDB spell what is wrong with the machine, and not with the log. */
export const OF_THE_SYSTEM =
  /\b(EACCES|EPERM|EROFS|ENOSPC|EMFILE|ENOTDIR)\b|Permission denied|Read-only file system|No space left|Too many open files/;

/** The message an operator gets: what is damaged, and the ways out. */
export function damaged(where: string, error: unknown): ZkraftError {
  const known = ZkraftError.from(error);
  // Already said in full, or not about damage.
  if (known.field !== undefined || (known.code !== 'log_corrupt' && error === known)) return known;
  if (OF_THE_SYSTEM.test(known.message)) {
    return new ZkraftError(
      'config_invalid',
      `${where} cannot be used: ${known.message}. Nothing was changed; see to owner, mode and free space of the folder`,
      { field: 'raft_dir', cause: error },
    );
  }
  return new ZkraftError(
    'log_corrupt',
    `the replicated log in ${where} is damaged: ${known.message}. No entry was changed, and this node does not start. ` +
      'While a majority of the cluster is alive, restore from its peers: remove this node from the cluster, move the ' +
      'folder away, and let it join as new. If no majority is left: zkraft raft recover --force-new-cluster, on the ' +
      'node with the longest sound log',
    { field: 'raft_dir', cause: error },
  );
}

/** Reads and checks all, fills `tail`, and removes what an earlier compaction left behind. Throws `log_corrupt`. */
export async function readLog(disk: Disk, identity: LogIdentity, tail: LogTail): Promise<LogHead> {
  const stored = disk.get(HEAD_KEY);
  if (stored === undefined) throw corrupt('the head record is missing');
  const head = decodeHead(stored);
  if (head.clusterId !== identity.clusterId || head.nodeId !== identity.nodeId) {
    throw corrupt(
      `it holds the log of node ${head.nodeId} of cluster ${head.clusterId}, but identity.json says node ` +
        `${identity.nodeId} of cluster ${identity.clusterId}`,
    );
  }
  const links: BatchLink[] = [];
  for await (const [key, value] of disk.scan(LINK_RANGE)) links.push(decodeLink(value, key));
  checkChain(links, head);
  checkEnd(readMark(await disk.readMarks()), head, links);
  await readEntries(disk, head, tail);
  checkState(head, tail);
  return head;
}

async function readEntries(disk: Disk, head: LogHead, tail: LogTail): Promise<void> {
  tail.reset({ index: head.baseIndex, term: head.baseTerm, crc: head.baseCrc });
  let crc = head.baseCrc;
  let term = head.baseTerm;
  let next = head.baseIndex + 1;
  let leftOver = false;
  for await (const [key, value] of disk.scan(ENTRY_RANGE)) {
    const index = Number(key.slice(1));
    if (index <= head.baseIndex) {
      leftOver = true;
      continue;
    }
    if (index > head.lastIndex)
      throw corrupt(`the log ends with entry ${head.lastIndex}, but there is an entry ${index}`);
    if (index !== next) throw corrupt(`entry ${next} is missing`);
    const stored = decodeEntry(index, value);
    if (stored.previousCrc !== crc) throw corrupt(`entry ${index} does not follow the one before it`);
    if (stored.entry.term < term) throw corrupt(`entry ${index} is of term ${stored.entry.term}, after one of ${term}`);
    tail.push(stored.entry, stored.crc);
    ({ crc } = stored);
    ({ term } = stored.entry);
    next += 1;
  }
  if (next !== head.lastIndex + 1) throw corrupt(`entry ${next} is missing`);
  if (crc !== head.lastCrc) throw corrupt(`entry ${head.lastIndex} is not the one that was written last`);
  if (leftOver) await disk.clear({ gte: ENTRY_RANGE.gte, lt: entryKey(head.baseIndex + 1) });
}

function checkState({ hardState, baseIndex, lastIndex }: LogHead, tail: LogTail): void {
  if (hardState.commit > lastIndex) {
    throw corrupt(`its end is lost: entry ${hardState.commit} was committed, but the log ends with ${lastIndex}`);
  }
  if (hardState.commit < baseIndex) {
    throw corrupt(`entry ${baseIndex} was compacted, but the commit index is ${hardState.commit}`);
  }
  const term = tail.term(lastIndex) ?? 0;
  if (hardState.term < term)
    throw corrupt(`the last entry is of term ${term}, but the hard state of ${hardState.term}`);
}
