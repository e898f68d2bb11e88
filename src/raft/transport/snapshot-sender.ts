/**
 * Sends snapshots, each over a connection of its own, one at a time to a peer.
 *
 * Pieces are read from the store as fast as the peer takes them and no faster, so that one or two are in memory. A second
 * snapshot for a peer that is still being sent one is told as failed at once: the core asks again. The end is always told,
 * also when it is given up, or the node would wait for ever.
 */
import { createHash } from 'node:crypto';
import type { ClientWritableStream, ServiceError } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { raftPeer } from '../../common/rpc/index.ts';
import type { SnapshotMessage } from '../core/index.ts';
import type { TransportHost } from '../node/ports.ts';
import type { NodeId } from '../types.ts';
import { encodeConfState } from './codec.ts';
import { dial } from './dial.ts';
import { checkName, helloTo } from './handshake.ts';
import { SNAPSHOT_PIECE_BYTES, type TransportLimits } from './limits.ts';
import type { LinkTarget } from './link.ts';
import type { TransportObserver } from './observer.ts';
import type { TransportSecurity } from './security.ts';

export interface SnapshotSenderOptions {
  readonly host: TransportHost;
  readonly security: TransportSecurity;
  readonly limits: TransportLimits;
  readonly observer: TransportObserver;
  readonly logger: Logger;
}

type Call = ClientWritableStream<raftPeer.InstallSnapshotRequest>;
type Content = NonNullable<raftPeer.InstallSnapshotRequest['content']>;

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  /** What is under way, by peer; calling one off makes it fail. */
  readonly #underWay = new Map<NodeId, AbortController>();
  readonly #ends = new Set<Promise<void>>();

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  send(message: SnapshotMessage, target: LinkTarget | undefined): void {
    const { host, logger } = this.#options;
    const { to } = message;
    const tell = (outcome: 'arrived' | 'failed'): void => void setImmediate(() => host.snapshotSent(to, outcome));
    if (target === undefined || this.#underWay.has(to)) {
      tell('failed');
      return;
    }
    const abort = new AbortController();
    this.#underWay.set(to, abort);
    const where = { peer: target.name, index: message.snapshot.metadata.index };
    const end = this.#send(message, target, abort)
      .then(
        () => {
          logger.info(where, 'a snapshot arrived at a raft peer');
          return 'arrived' as const;
        },
        (error: unknown) => {
          const { code, message: reason } = ZkraftError.from(error);
          logger.warn({ ...where, code, reason }, 'a snapshot did not reach a raft peer');
          return 'failed' as const;
        },
      )
      .then((outcome) => {
        this.#underWay.delete(to);
        this.#ends.delete(end);
        tell(outcome);
      });
    this.#ends.add(end);
  }

  /** Whoever is no member any more. */
  cancel(nodeId: NodeId): void {
    this.#underWay.get(nodeId)?.abort(new ZkraftError('cancelled', 'the peer was removed'));
  }

  async close(): Promise<void> {
    for (const abort of this.#underWay.values()) abort.abort(new ZkraftError('cancelled', 'this node is stopping'));
    await Promise.all(this.#ends);
  }

  async #send(message: SnapshotMessage, target: LinkTarget, abort: AbortController): Promise<void> {
    const { host, security, limits, observer } = this.#options;
    const { metadata } = message.snapshot;
    const store = host.snapshots();
    if (store === undefined) throw new ZkraftError('shutting_down', 'this node has no log open');
    const { client, close, reason } = dial({
      address: target.address,
      security,
      limits,
      check: (name) => target.name !== '' && checkName(target.name, { kind: 'certificate', name }),
    });
    const progress = stallTimer(limits.snapshotStallMs, abort);
    let call: Call | undefined;
    try {
      const answered = new Promise<void>((resolve, reject) => {
        call = client.installSnapshot((error: ServiceError | null) => (error === null ? resolve() : reject(error)));
        call.on('error', reject);
        abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true });
      });
      // It may fail while a piece is being read.
      answered.catch(() => {});
      const write = async (content: Content): Promise<void> => {
        await Promise.race([written(call as Call, content), answered]);
        abort.signal.throwIfAborted();
        progress.made();
      };
      const { confState, index, term } = metadata;
      const header: raftPeer.SnapshotHeader = {
        hello: helloTo(host.identity(), target),
        term: BigInt(message.term),
        lastIndex: BigInt(index),
        lastTerm: BigInt(term),
        confState: encodeConfState(confState),
      };
      await write({ $case: 'header', value: header });
      const hash = createHash('sha256');
      let stateBytes = 0;
      for await (const chunk of store.read(metadata)) {
        for (let at = 0; at < chunk.length; at += SNAPSHOT_PIECE_BYTES) {
          const piece = chunk.subarray(at, at + SNAPSHOT_PIECE_BYTES);
          hash.update(piece);
          stateBytes += piece.length;
          await write({ $case: 'chunk', value: piece });
          observer.snapshotSent?.(target.name, piece.length);
        }
      }
      await write({ $case: 'end', value: { stateBytes: BigInt(stateBytes), sha256: hash.digest() } });
      call?.end();
      // The peer syncs it to its disk.
      await answered;
    } catch (error) {
      throw reason(error);
    } finally {
      progress.stop();
      call?.cancel();
      close();
    }
  }
}

/** Resolves when gRPC wants more. A stream that has ended never says so, but `answered` does then. */
const written = (call: Call, content: Content): Promise<void> =>
  new Promise((resolve) => {
    call.write({ content }, () => resolve());
  });

/** Calls `abort` off when nothing was made for so long. */
export function stallTimer(stallMs: number, abort: AbortController): { made(): void; stop(): void } {
  const timer = setTimeout(() => {
    abort.abort(new ZkraftError('peer_unreachable', `a snapshot made no progress for ${stallMs} ms`));
  }, stallMs);
  return { made: () => void timer.refresh(), stop: () => clearTimeout(timer) };
}
