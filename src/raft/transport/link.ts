/**
 * The stream of messages to one peer: dialled, kept, dialled again for ever, until it is closed.
 *
 * One frame at a time is on its way: the next is made when gRPC says that the last one left, so that what a slow peer does
 * not take waits in our queue, which has a limit, and not in gRPC's, which has none. Meanwhile messages gather, and go
 * together. Nothing waits for a peer that is away: what was queued is dropped when the stream breaks, and the node is
 * told, at most once a turn; by the time of the next stream Raft has better things to say. A refusal is not a peer that is
 * away: it stays until somebody mends it, so the next dial waits longer.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { raftPeer } from '../../common/rpc/index.ts';
import type { PeerIdentity, PeerLink } from '../node/ports.ts';
import type { NodeId } from '../types.ts';
import { encodeMessage, type StreamMessage } from './codec.ts';
import { dial } from './dial.ts';
import { isNobodyThere } from './dial-failure.ts';
import { checkName, helloTo } from './handshake.ts';
import type { TransportLimits } from './limits.ts';
import type { DropReason, TransportObserver } from './observer.ts';
import type { TransportSecurity } from './security.ts';
import { SendQueue } from './send-queue.ts';

export interface LinkTarget {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly address: string;
}

export interface LinkOptions {
  readonly target: LinkTarget;
  /** Keeps a stream open always; else only from when there is something to send until it breaks. */
  readonly isKept: boolean;
  readonly self: () => PeerIdentity;
  readonly security: TransportSecurity;
  readonly limits: TransportLimits;
  readonly observer: TransportObserver;
  readonly logger: Logger;
  readonly random: () => number;
  readonly unreachable: () => void;
  /** Nobody listens there. */
  readonly gone: () => void;
}

type Stream = ClientDuplexStream<raftPeer.SendMessagesRequest, raftPeer.SendMessagesResponse>;

interface Connection {
  readonly stream: Stream;
  /** Since when the peer listens. */
  openMs: number | undefined;
  isWriting: boolean;
  readonly end: () => void;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #queue: SendQueue;
  #connection: Connection | undefined;
  #redial: NodeJS.Timeout | undefined;
  #failures = 0;
  #isClosed = false;
  #isFlushing = false;
  #isTelling = false;
  #saidLast = '';
  #problem = '';
  #isRefused = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#queue = new SendQueue(options.limits);
    if (options.isKept) this.#dial();
  }

  get target(): LinkTarget {
    return this.#options.target;
  }

  get isKept(): boolean {
    return this.#options.isKept;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get status(): PeerLink {
    const problem = this.#problem;
    if (this.#connection?.openMs !== undefined) return { state: 'connected', problem: '' };
    if (problem === '') return { state: 'dialling', problem };
    return { state: this.#isRefused ? 'refused' : 'unreachable', problem };
  }

  /** Something has changed since the peer refused us, or we it: the answer may be another now. */
  retry(): void {
    if (!this.#isRefused || this.#redial === undefined || this.#isClosed) return;
    clearTimeout(this.#redial);
    this.#redial = undefined;
    if (this.#options.isKept) this.#dial();
  }

  send(message: StreamMessage): void {
    if (this.#isClosed || this.#redial !== undefined) {
      this.#drop(1, 'disconnected');
      return;
    }
    const refusal = this.#queue.add(message);
    if (refusal === undefined) {
      if (this.#connection === undefined) this.#dial();
      else this.#flushLater();
      return;
    }
    this.#drop(1, refusal);
    if (refusal !== 'too-large') return;
    const { logger, limits } = this.#options;
    logger.error(
      { peer: this.target.name, type: message.type, bytes_max: limits.messageBytesMax },
      'a message is larger than a peer takes, and was not sent',
    );
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#redial);
    this.#drop(this.#queue.clear(), 'disconnected');
    this.#connection?.end();
    this.#connection = undefined;
  }

  #dial(): void {
    const { target, security, limits, self, observer, logger } = this.#options;
    const { client, close, reason } = dial({
      address: target.address,
      security,
      limits,
      check: (name) => target.name !== '' && checkName(target.name, { kind: 'certificate', name }),
    });
    const stream: Stream = client.sendMessages();
    const connection: Connection = {
      stream,
      openMs: undefined,
      isWriting: false,
      end: () => {
        clearTimeout(late);
        stream.cancel();
        close();
      },
    };
    const over = (thrown: unknown): void => {
      connection.end();
      if (this.#connection === connection) this.#over(reason(thrown), connection);
    };
    const late = setTimeout(() => {
      over(new ZkraftError('peer_unreachable', `${target.address} did not answer within ${limits.handshakeMs} ms`));
    }, limits.handshakeMs);
    this.#connection = connection;
    stream.on('error', over);
    stream.on('end', () => over(new ZkraftError('peer_unreachable', `${target.address} ended the stream`)));
    stream.on('data', () => {
      if (connection.openMs !== undefined || this.#connection !== connection) return;
      clearTimeout(late);
      connection.openMs = performance.now();
      this.#saidLast = '';
      this.#problem = '';
      observer.connected?.(target.name);
      logger.debug({ peer: target.name, address: target.address }, 'raft peer connected');
      this.#flush();
    });
    stream.write({ content: { $case: 'hello', value: helloTo(self(), target) } });
  }

  /** After all that this turn has to say. */
  #flushLater(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const connection = this.#connection;
    if (connection?.openMs === undefined || connection.isWriting || this.#queue.length === 0) return;
    const { messages, bytes } = this.#queue.take();
    const request: raftPeer.SendMessagesRequest = {
      content: { $case: 'batch', value: { messages: messages.map(encodeMessage) } },
    };
    connection.isWriting = true;
    connection.stream.write(request, () => {
      connection.isWriting = false;
      if (this.#connection === connection) this.#flush();
    });
    const { observer, target } = this.#options;
    observer.sent?.(target.name, messages.length, bytes);
  }

  #over(error: ZkraftError, { openMs }: Connection): void {
    const { limits, target, observer, logger, isKept, random } = this.#options;
    this.#connection = undefined;
    this.#problem = error.message;
    this.#isRefused = error.code === 'peer_refused' || error.code === 'invalid_request';
    // To be let in and hung up on at once is no success.
    if (openMs !== undefined && performance.now() - openMs > limits.redialMsMax) this.#failures = 0;
    if (openMs !== undefined) observer.disconnected?.(target.name, error.message);
    if (error.message !== this.#saidLast) {
      this.#saidLast = error.message;
      logger.warn({ peer: target.name, code: error.code, reason: error.message }, 'no stream to a raft peer');
    }
    this.#drop(this.#queue.clear(), 'disconnected');
    this.#tell();
    if (isNobodyThere(error)) this.#options.gone();
    const againMs = Math.min(limits.redialMsMax, limits.redialMs * 2 ** Math.min(this.#failures, 30));
    const waitMs = this.#isRefused ? limits.refusedRedialMs * (1 + random() / 4) : (againMs / 2) * (1 + random());
    this.#failures += 1;
    this.#redial = setTimeout(() => {
      this.#redial = undefined;
      if (isKept) this.#dial();
    }, waitMs);
  }

  #drop(messages: number, why: DropReason): void {
    if (messages === 0) return;
    this.#options.observer.dropped?.(this.target.name, messages, why);
    this.#tell();
  }

  /** Never from within `send`, which is called from within a turn of the node. */
  #tell(): void {
    if (this.#isTelling || this.#isClosed) return;
    this.#isTelling = true;
    setImmediate(() => {
      this.#isTelling = false;
      if (!this.#isClosed) this.#options.unreachable();
    });
  }
}
