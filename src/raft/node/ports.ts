/**
 * What a node asks of the world: time, chance, turns of the event loop, and a way to its peers.
 *
 * Everything else is a file system (`../storage`). A simulation gives its own; `system-runtime.ts` is the real one, and
 * `../transport` the real network.
 */
import type { PeerMessage, SnapshotMessage } from '../core/index.ts';
import type { NodeId } from '../types.ts';
import type { Member } from './members.ts';

export interface Runtime {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** From 0 to, without, 1. */
  random(): number;
  /** Runs `work` in a later turn of the event loop, after what has arrived by then. */
  defer(work: () => void): void;
  /** Runs `work` once, after `delayMs`; what is returned calls it off. Must not keep a process alive. */
  after(delayMs: number, work: () => void): () => void;
}

/** Never waits, never throws: what cannot be sent is dropped, and the node is told (`PeerEvents.unreachable`). */
export interface PeerTransport {
  send(message: PeerMessage): void;
  /**
   * The bytes come from the snapshot store and travel on their own, beside the stream; the message is delivered once all
   * are durable there. The end is told by `PeerEvents.snapshotSent`.
   */
  sendSnapshot(message: SnapshotMessage): void;
  /** Who there is, and where; called at each change. Whoever is not among them is cut off. */
  setMembers(members: readonly Member[]): void;
}

/** What a transport tells its node. */
export interface PeerEvents {
  receive(message: PeerMessage): void;
  unreachable(nodeId: NodeId): void;
  snapshotSent(nodeId: NodeId, outcome: 'arrived' | 'failed'): void;
}
