/**
 * Reads that see everything committed before they were asked, without an entry of their own. Thesis, section 6.4.
 *
 * A new leader does not know what is committed before it has committed an entry of its own term; until then reads wait
 * (also in a cluster of one, whose commit index on disk may be old). Then a read waits for a heartbeat round.
 */
import { type LogIndex, NO_NODE, type NodeId } from '../types.ts';
import type { HeartbeatResponse } from './message.ts';
import type { ReadOutcome } from './outcomes.ts';
import type { VoterHalves } from './quorum.ts';
import type { Raft } from './raft.ts';
import { type IndexedRead, ReadQueue, type ReadRequest } from './read-queue.ts';
import { broadcastHeartbeat } from './replication.ts';

/** Once `index` is applied, the state machine shows all that was committed when `context` was given to `readIndex`. */
export interface ReadState {
  readonly index: LogIndex;
  readonly context: Uint8Array;
}

/** Both queues share one limit. All is forgotten with the term; who asked asks again. */
export class PendingReads {
  readonly #queue = new ReadQueue();
  readonly #countMax: number;
  /** Asked before this term's first commit. */
  #early: ReadRequest[] = [];

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get full(): boolean {
    return this.#queue.length + this.#early.length >= this.#countMax;
  }

  get round(): number {
    return this.#queue.round;
  }

  defer(request: ReadRequest): void {
    this.#early.push(request);
  }

  takeDeferred(): readonly ReadRequest[] {
    const early = this.#early;
    this.#early = [];
    return early;
  }

  /** The leader itself confirms at once. */
  add(read: IndexedRead, self: NodeId): void {
    this.#queue.add(read);
    this.#queue.answered(self, this.#queue.round);
  }

  answered(voter: NodeId, round: number, halves: VoterHalves): readonly IndexedRead[] {
    this.#queue.answered(voter, round);
    return this.#queue.confirmed(halves);
  }

  clear(): void {
    this.#early = [];
    this.#queue.clear();
  }
}

const hasCommittedInTerm = ({ log, term }: Raft): boolean => log.term(log.committed) === term;

export function readAsLeader(raft: Raft, request: ReadRequest): ReadOutcome {
  if (raft.reads.full) {
    raft.say('warn', () => `drops a read: ${raft.config.maxPendingReads} wait already`);
    return 'dropped';
  }
  if (hasCommittedInTerm(raft)) start(raft, request);
  else raft.reads.defer(request);
  return 'pending';
}

/** After something was committed. */
export function startDeferredReads(raft: Raft): void {
  if (!hasCommittedInTerm(raft)) return;
  for (const request of raft.reads.takeDeferred()) start(raft, request);
}

function start(raft: Raft, request: ReadRequest): void {
  const read = { ...request, index: raft.log.committed };
  const { tracker, id, config } = raft;
  const alone = tracker.isSingleton && tracker.configuration.voters.has(id);
  if (alone || config.readOnly === 'lease-based') {
    answer(raft, read);
    return;
  }
  raft.reads.add(read, id);
  broadcastHeartbeat(raft);
}

export function confirmReads(raft: Raft, { from, readRound }: HeartbeatResponse): void {
  if (readRound === 0) return;
  for (const read of raft.reads.answered(from, readRound, raft.tracker.configuration)) answer(raft, read);
}

function answer(raft: Raft, { origin, context, index }: IndexedRead): void {
  if (origin === raft.id || origin === NO_NODE) raft.readStates.push({ index, context });
  else raft.send(origin, { type: 'read-index-response', index, context });
}
