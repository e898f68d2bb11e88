/** What a transport never goes beyond, and the clocks it keeps. Each may be set otherwise by whoever opens one. */
export interface TransportLimits {
  /** Messages that wait for one peer. */
  readonly queueMessagesMax: number;
  /** And their bytes. Above the core's window for one follower (16 MiB), so that a healthy peer never loses any. */
  readonly queueBytesMax: number;
  /** Messages that wait are sent together up to this size; a larger one goes alone. */
  readonly frameBytes: number;
  /** Of one message, on its way out and in. The core's largest is one entry, or 1 MiB of them. */
  readonly messageBytesMax: number;
  /** From dialling until the peer has said that it listens to us. */
  readonly handshakeMs: number;
  /** The first wait before dialling again; it doubles up to `redialMsMax`, and half of it is chance. */
  readonly redialMs: number;
  readonly redialMsMax: number;
  /** The wait after a refusal, which somebody must mend first. A change of members, or a call of the peer, ends it. */
  readonly refusedRedialMs: number;
  /** An idle connection is asked whether it lives, and has as long again to answer. */
  readonly keepaliveMs: number;
  /** A snapshot that makes no progress for as long is given up, by either side. */
  readonly snapshotStallMs: number;
}

const MIB = 1024 * 1024;

export const TRANSPORT_LIMITS: TransportLimits = {
  queueMessagesMax: 4_096,
  queueBytesMax: 32 * MIB,
  frameBytes: MIB,
  messageBytesMax: 4 * MIB,
  handshakeMs: 5_000,
  redialMs: 50,
  // A peer that came back is dialled before an election at the default timeouts is over.
  redialMsMax: 1_000,
  refusedRedialMs: 5_000,
  keepaliveMs: 3_000,
  snapshotStallMs: 30_000,
};

/** Peers that are heard at a time; a cluster has tens of members at most. One more is refused. */
export const PEERS_HEARD_MAX = 64;

/** As the contract has it. */
export const SNAPSHOT_CHUNK_BYTES_MAX = MIB;
/**
 * What is really sent at a time. Encoding, encrypting and writing a piece is one turn of the event loop, and heartbeats
 * wait for its end.
 */
export const SNAPSHOT_PIECE_BYTES = 256 * 1024;
