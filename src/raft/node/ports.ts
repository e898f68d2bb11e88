/**
 * What a node asks of the world: time, chance, turns of the event loop, and a way to its peers.
 *
 * Everything else is a file system (`../storage`). A simulation gives its own; `system-runtime.ts` is the real one, and
 * `../transport` the real network.
 */
import type { PeerMessage, SnapshotMessage } from '../core/index.ts';
import type { SnapshotStore } from '../storage/index.ts';
import type { NodeId } from '../types.ts';
import type { Member } from './members.ts';

export interface Runtime {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** From 0 to, without, 1. */
  random(): number;
  /** Runs `work` in a later turn of the event loop, after what has arrived by then. */
  defer(work: () => void): void;
  /** Runs `work` once, after `delayMs`; what is returned calls it off. */
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
  /** Nobody listens where this peer was: its process has ended. A guess, never relied on. */
  gone(nodeId: NodeId): void;
  snapshotSent(nodeId: NodeId, outcome: 'arrived' | 'failed'): void;
}

/** Who speaks, as shown in a handshake. The certificate must name the same node. */
export interface PeerIdentity extends Member {
  /** `undefined` while it waits to be added to a cluster. */
  readonly clusterId: string | undefined;
}

/** What a transport asks of its node. */
export interface TransportHost extends PeerEvents {
  identity(): PeerIdentity;
  /**
   * Before anything of a peer is heard: rejects with why it is not let in. `to` is whom it meant. A node that waits to be
   * added joins the peer's cluster here.
   */
  admit(peer: PeerIdentity, to: NodeId): Promise<void>;
  /** Where snapshots come from and go to; `undefined` while there is no log. */
  snapshots(): SnapshotStore | undefined;
}

/** How the way to a peer stands. */
export interface PeerLink {
  /** `refused`: one side does not take the other, which dialling again soon does not change. */
  readonly state: 'connected' | 'dialling' | 'unreachable' | 'refused';
  /** Why there is no stream, and the remedy; empty while nothing went wrong. */
  readonly problem: string;
}

/** Somebody who was not let in here, or was cut off. */
export interface Refusal {
  /** What it calls itself, or where it calls from. */
  readonly peer: string;
  readonly reason: string;
  readonly count: number;
  /** On the clock of `Runtime.now`. */
  readonly lastMs: number;
}

export interface NodeTransport extends PeerTransport {
  /** Asks whoever listens at `address` who it is. */
  identify(address: string): Promise<PeerIdentity>;
  /** For operators; a transport may not know. */
  link?(nodeId: NodeId): PeerLink | undefined;
  /** For operators: the latest first, a few only. */
  refusals?(): readonly Refusal[];
  close(): Promise<void>;
}

/** Listens and is ready to dial when it resolves. */
export type ConnectTransport = (host: TransportHost) => Promise<NodeTransport>;
