/**
 * What a leader sends: entries, snapshots, heartbeats. Paper, sections 5.3 and 7; thesis 10.2.1 (pipelining).
 */
import type { LogIndex, NodeId } from '../types.ts';
import { sumOfPayloadBytes } from './entry-size.ts';
import { invariant } from './errors.ts';
import type { Progress } from './progress.ts';
import type { Raft } from './raft.ts';

/** Everyone else, in the order of their ids. */
export function* peersOf(raft: Raft): Generator<[NodeId, Progress]> {
  for (const [id, progress] of raft.tracker.progress) if (id !== raft.id) yield [id, progress];
}

/** To all: what they lack, or at least the commit index. */
export function broadcastAppend(raft: Raft): void {
  for (const [id] of peersOf(raft)) sendAppend(raft, id, 'even-if-empty');
}

/**
 * One message to one member, as far as its window allows; a snapshot if what it needs is compacted. False if nothing
 * was sent.
 */
export function sendAppend(raft: Raft, to: NodeId, when: 'even-if-empty' | 'only-entries'): boolean {
  const progress = raft.tracker.progress.get(to);
  if (progress === undefined || progress.blocked) return false;
  const index = progress.next - 1;
  const term = raft.log.term(index);
  if (term === undefined) return sendSnapshot(raft, to, progress);
  const open = progress.state !== 'replicate' || !progress.inflights.full;
  const isWithheld = open && !raft.log.isAtHand(progress.next);
  const { maxMessageBytes, maxMessageEntries } = raft.config;
  const entries = open && !isWithheld ? raft.log.entriesFrom(progress.next, maxMessageBytes, maxMessageEntries) : [];
  if (entries === undefined) return when === 'even-if-empty' && sendSnapshot(raft, to, progress);
  if (entries.length === 0 && when === 'only-entries') return false;
  const commit = raft.log.committed;
  raft.send(to, { type: 'append', previous: { term, index }, entries, commit });
  progress.sentAppend(entries.length, sumOfPayloadBytes(entries), commit);
  if (isWithheld) progress.withheld();
  return true;
}

/** All that windows have room for: after a batch that one message could not take, or when entries have come to hand. */
export function sendRest(raft: Raft): void {
  for (const [id] of peersOf(raft)) while (sendAppend(raft, id, 'only-entries')) {}
}

/** To whoever can make use of the commit index and was not told. */
export function broadcastCommit(raft: Raft): void {
  for (const [id, progress] of peersOf(raft)) {
    if (progress.wantsCommit(raft.log.committed)) sendAppend(raft, id, 'even-if-empty');
  }
}

export function holdsCommit(raft: Raft): boolean {
  for (const [, progress] of peersOf(raft)) {
    if (!progress.blocked && progress.wantsCommit(raft.log.committed)) return true;
  }
  return false;
}

function sendSnapshot(raft: Raft, to: NodeId, progress: Progress): boolean {
  // Nobody may be there; a snapshot is too much to find out with.
  if (!progress.recentActive) return false;
  const snapshot = raft.log.snapshot();
  if (snapshot === undefined) {
    raft.say('debug', () => `has no snapshot for ${to} at the moment`);
    return false;
  }
  const { index } = snapshot.metadata;
  invariant(
    index > 0,
    () => `entries up to ${raft.log.firstIndex() - 1} are compacted, but there is no snapshot of them`,
  );
  raft.say('debug', () => `sends ${to} a snapshot at ${index}`);
  progress.becomeSnapshot(index);
  raft.send(to, { type: 'snapshot', snapshot });
  return true;
}

export function broadcastHeartbeat(raft: Raft): void {
  const readRound = raft.reads.round;
  for (const [id, progress] of peersOf(raft)) {
    // What a member is not known to have it must not take for committed.
    const commit: LogIndex = Math.min(progress.match, raft.log.committed);
    raft.send(id, { type: 'heartbeat', commit, readRound });
    progress.sentHeartbeat(commit);
  }
}
