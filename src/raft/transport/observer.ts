/** What a transport tells whoever counts. Peers are named; every member may be missing. */
export interface TransportObserver {
  /** One frame went out, or came in. `bytes` is what its messages take at most, as the limits count. */
  sent?(peer: string, messages: number, bytes: number): void;
  received?(peer: string, messages: number, bytes: number): void;
  /** Messages that were given up before they were sent. */
  dropped?(peer: string, messages: number, why: DropReason): void;
  connected?(peer: string): void;
  disconnected?(peer: string, why: string): void;
  /** Somebody was not let in; `name` is what it calls itself. */
  refused?(name: string, why: string): void;
  /** Pieces of a snapshot. */
  snapshotSent?(peer: string, bytes: number): void;
  snapshotReceived?(peer: string, bytes: number): void;
}

/** The queue was full; there is no connection; the message is larger than a receiver takes; nobody knows the peer. */
export type DropReason = 'full' | 'disconnected' | 'too-large' | 'unknown';
