/**
 * Takes a peer's snapshot into the store, and delivers the message only once all of it is durable.
 *
 * One of a sender at a time: a second one means that the sender gave the first up, so the first makes room. Whatever goes
 * wrong leaves nothing behind, and the sender is told why. gRPC reads ahead by 16 messages, so a disk that is slower than
 * the network costs some 4 MiB of memory (16 MiB if a sender uses the largest chunks), and then the sender waits.
 */
import { ZkraftError } from '../../common/index.ts';
import type { raftPeer } from '../../common/rpc/index.ts';
import type { PeerIdentity, TransportHost } from '../node/ports.ts';
import type { SnapshotWriter } from '../storage/index.ts';
import type { NodeId, SnapshotMetadata } from '../types.ts';
import { decodeConfState, number } from './codec.ts';
import { SNAPSHOT_CHUNK_BYTES_MAX, type TransportLimits } from './limits.ts';
import type { TransportObserver } from './observer.ts';
import { stallTimer } from './snapshot-sender.ts';

export interface SnapshotReceiverOptions {
  readonly host: TransportHost;
  readonly limits: TransportLimits;
  readonly observer: TransportObserver;
}

interface Incoming {
  readonly abort: AbortController;
  readonly end: Promise<void>;
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  readonly #incoming = new Map<NodeId, Incoming>();

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** What follows the header. `abort` also ends `requests`. Rejects with what the sender is to be told. */
  async receive(
    from: PeerIdentity,
    header: raftPeer.SnapshotHeader,
    requests: AsyncIterator<raftPeer.InstallSnapshotRequest>,
    abort: AbortController,
  ): Promise<void> {
    const before = this.#incoming.get(from.nodeId);
    before?.abort.abort(new ZkraftError('cancelled', 'the sender began another snapshot'));
    const work = (async () => {
      await before?.end;
      await this.#receive(from, header, requests, abort);
    })();
    const incoming = { abort, end: work.catch(() => {}) };
    this.#incoming.set(from.nodeId, incoming);
    try {
      await work;
    } finally {
      if (this.#incoming.get(from.nodeId) === incoming) this.#incoming.delete(from.nodeId);
    }
  }

  async close(): Promise<void> {
    const all = [...this.#incoming.values()];
    for (const { abort } of all) abort.abort(new ZkraftError('shutting_down', 'this node is stopping'));
    await Promise.all(all.map(({ end }) => end));
  }

  async #receive(
    from: PeerIdentity,
    header: raftPeer.SnapshotHeader,
    requests: AsyncIterator<raftPeer.InstallSnapshotRequest>,
    abort: AbortController,
  ): Promise<void> {
    const { host, limits } = this.#options;
    const metadata: SnapshotMetadata = {
      index: number(header.lastIndex, 'last_index'),
      term: number(header.lastTerm, 'last_term'),
      confState: decodeConfState(header.confState),
    };
    const term = number(header.term, 'term');
    const store = host.snapshots();
    if (store === undefined) {
      throw new ZkraftError('shutting_down', 'this node has no log open: it is starting or stopping; try again');
    }
    const progress = stallTimer(limits.snapshotStallMs, abort);
    const writer = await store.create(metadata);
    try {
      await this.#write(from.name, writer, requests, abort.signal, progress.made);
    } catch (error) {
      await writer.abort();
      throw abort.signal.aborted ? abort.signal.reason : error;
    } finally {
      progress.stop();
    }
    const to = host.identity().nodeId;
    const snapshot = { data: new Uint8Array(), metadata };
    host.receive({ type: 'snapshot', from: from.nodeId, to, term, snapshot });
  }

  async #write(
    peer: string,
    writer: SnapshotWriter,
    requests: AsyncIterator<raftPeer.InstallSnapshotRequest>,
    signal: AbortSignal,
    made: () => void,
  ): Promise<void> {
    let stateBytes = 0;
    for (;;) {
      signal.throwIfAborted();
      const next = await requests.next();
      made();
      const content = next.done ? undefined : next.value.content;
      switch (content?.$case) {
        case 'chunk': {
          const { length } = content.value;
          if (length > SNAPSHOT_CHUNK_BYTES_MAX) {
            throw wrong('chunk', `has ${length} bytes; ${SNAPSHOT_CHUNK_BYTES_MAX} are the most`);
          }
          stateBytes += length;
          await writer.write(content.value);
          this.#options.observer.snapshotReceived?.(peer, length);
          break;
        }
        case 'end': {
          if (number(content.value.stateBytes, 'state_bytes') !== stateBytes) {
            throw wrong('state_bytes', `is ${content.value.stateBytes}, and ${stateBytes} came`);
          }
          await writer.finish(content.value.sha256);
          return;
        }
        case 'header':
          throw wrong('header', 'comes once only');
        case undefined:
          throw wrong('end', 'is missing: the snapshot is not whole');
      }
    }
  }
}

const wrong = (field: string, what: string): ZkraftError =>
  new ZkraftError('invalid_request', `a peer's snapshot is wrong: ${field} ${what}`, { field });
