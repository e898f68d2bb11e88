/**
 * Serves zkraft.raft.v1.RaftPeerService: lets peers in, hears them, takes their snapshots.
 *
 * Of one sender there is one stream of messages; a newer one ends the older, which the sender gave up without our knowing.
 * While a stream is open its sender's own word of where it listens counts more than the record, which may not have
 * learned of a move yet.
 */
import type { ServerDuplexStream, ServerReadableStream, sendUnaryData } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../../common/index.ts';
import { type raftPeer, toServiceError } from '../../common/rpc/index.ts';
import type { PeerIdentity, Refusal, TransportHost } from '../node/ports.ts';
import type { NodeId } from '../types.ts';
import { decodeMessage, messageBytes } from './codec.ts';
import { checkHello, checkVersion, encodeIdentity, PROTOCOL_VERSION, refused } from './handshake.ts';
import { PEERS_HEARD_MAX, type TransportLimits } from './limits.ts';
import type { TransportObserver } from './observer.ts';
import { RefusalLog } from './refusal-log.ts';
import { type ShownCertificate, shownBy, type TransportSecurity } from './security.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';

export interface IncomingOptions {
  readonly host: TransportHost;
  readonly security: TransportSecurity;
  readonly limits: TransportLimits;
  readonly observer: TransportObserver;
  readonly logger: Logger;
  /** Of a peer whose stream has just begun, or has ended. */
  readonly met: (nodeId: NodeId) => void;
}

type MessageCall = ServerDuplexStream<raftPeer.SendMessagesRequest, raftPeer.SendMessagesResponse>;
type SnapshotCall = ServerReadableStream<raftPeer.InstallSnapshotRequest, raftPeer.InstallSnapshotResponse>;

interface Heard {
  readonly identity: PeerIdentity;
  readonly end: (why: ZkraftError) => void;
}

export class IncomingStreams {
  readonly #options: IncomingOptions;
  readonly #heard = new Map<NodeId, Heard>();
  readonly #snapshots: SnapshotReceiver;
  readonly #refusals = new RefusalLog(() => performance.now());
  #isClosed = false;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#snapshots = new SnapshotReceiver(options);
  }

  readonly service: raftPeer.RaftPeerServiceServer = {
    identify: (call, callback) => {
      const { host, security } = this.#options;
      try {
        const self = host.identity();
        shownBy(security, call.getAuthContext() as ShownCertificate);
        checkVersion(call.request.protocolVersion, self.name);
        callback(null, { protocolVersion: PROTOCOL_VERSION, node: encodeIdentity(self) });
      } catch (error) {
        callback(toServiceError(error));
      }
    },
    sendMessages: (call) => void this.#serveMessages(call),
    installSnapshot: (call, callback) => void this.#serveSnapshot(call, callback),
  };

  /** Who is heard at the moment, as it called itself. */
  identityOf(nodeId: NodeId): PeerIdentity | undefined {
    return this.#heard.get(nodeId)?.identity;
  }

  /** Who was not let in lately, the latest first. */
  refusals(): readonly Refusal[] {
    return this.#refusals.all();
  }

  /** Of a caller that never came so far as to say who it is. */
  noteStranger(from: string, why: string): void {
    this.#noteRefusal(from, refused(why));
  }

  /** Hangs up on whoever is no member any more; it may try again, and the host will judge. */
  cutOff(nodeId: NodeId): void {
    const heard = this.#heard.get(nodeId);
    heard?.end(refused(`"${heard.identity.name}" was removed from the cluster`));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { end } of this.#heard.values()) end(stopping());
    await this.#snapshots.close();
  }

  async #serveMessages(call: MessageCall): Promise<void> {
    const { limits } = this.#options;
    const requests = call.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<raftPeer.SendMessagesRequest>;
    let isOver = false;
    let greeted: Promise<unknown> = Promise.resolve();
    const end = (why: ZkraftError): void => {
      if (isOver) return;
      isOver = true;
      // Ends with that status; what still comes is not read. Not while the greeting is on its way: an error wakes the
      // reader, which destroys the stream, and the status, which waits for the greeting, would be lost with it. The peer
      // would then speak for ever to nobody.
      void greeted.then(() => {
        if (!call.destroyed) call.emit('error', toServiceError(why));
      });
    };
    const late = setTimeout(() => end(lateHello(limits.handshakeMs)), limits.handshakeMs);
    let name = call.getPeer();
    try {
      const first = await requests.next();
      const content = first.done ? undefined : first.value.content;
      if (isOver) return;
      if (content?.$case !== 'hello') throw noHello();
      name = content.value.from?.name ?? name;
      const identity = await this.#admit(content.value, call.getAuthContext() as ShownCertificate);
      clearTimeout(late);
      if (isOver || call.destroyed) return;
      if (this.#heard.size >= PEERS_HEARD_MAX && !this.#heard.has(identity.nodeId)) throw tooMany();
      const heard = { identity, end };
      this.#begin(heard);
      try {
        greeted = within(GREETING_MS, (done) => void call.write({}, done));
        await this.#hear(identity, requests, () => isOver);
      } finally {
        this.#finish(heard);
      }
      if (!isOver && !call.destroyed) call.end();
      isOver = true;
    } catch (error) {
      if (!isOver && !call.destroyed) this.#noteRefusal(name, error);
      end(ZkraftError.from(error));
    } finally {
      clearTimeout(late);
    }
  }

  async #hear(
    { nodeId, name }: PeerIdentity,
    requests: AsyncIterator<raftPeer.SendMessagesRequest>,
    isOver: () => boolean,
  ): Promise<void> {
    const { host, observer } = this.#options;
    for (;;) {
      // Cut off without a farewell: the sender knows why, and dials again.
      const next = await requests.next().catch(() => undefined);
      if (next === undefined || next.done || isOver()) return;
      const { content } = next.value;
      if (content?.$case !== 'batch') {
        throw new ZkraftError('invalid_request', 'after the hello a stream carries batches of messages only');
      }
      let bytes = 0;
      for (const wire of content.value.messages) {
        const message = decodeMessage(wire);
        const self = host.identity().nodeId;
        if (message.from !== nodeId || message.to !== self) {
          throw refused(
            `a message from ${message.from} to ${message.to} came on the stream of "${name}" (${nodeId}) to ${self}; ` +
              'a stream carries its own sender to its own receiver only',
          );
        }
        bytes += messageBytes(message);
        host.receive(message);
      }
      observer.received?.(name, content.value.messages.length, bytes);
    }
  }

  async #serveSnapshot(call: SnapshotCall, callback: sendUnaryData<raftPeer.InstallSnapshotResponse>): Promise<void> {
    const { limits } = this.#options;
    const requests = call.iterator({
      destroyOnReturn: false,
    }) as AsyncIterableIterator<raftPeer.InstallSnapshotRequest>;
    const abort = new AbortController();
    let isAnswered = false;
    let name = call.getPeer();
    const answer = (error: unknown): void => {
      if (isAnswered) return;
      isAnswered = true;
      clearTimeout(late);
      if (error !== undefined && !call.cancelled) this.#noteRefusal(name, error);
      callback(error === undefined ? null : toServiceError(error), {});
    };
    const late = setTimeout(() => abort.abort(lateHello(limits.handshakeMs)), limits.handshakeMs);
    // The reader may be waiting for a piece that does not come: the stream's end wakes it.
    abort.signal.addEventListener('abort', () => {
      answer(abort.signal.reason);
      call.destroy();
    });
    try {
      const first = await requests.next();
      const content = first.done ? undefined : first.value.content;
      if (content?.$case !== 'header' || content.value.hello === undefined) throw noHello();
      name = content.value.hello.from?.name ?? name;
      const identity = await this.#admit(content.value.hello, call.getAuthContext() as ShownCertificate);
      clearTimeout(late);
      abort.signal.throwIfAborted();
      await this.#snapshots.receive(identity, content.value, requests, abort);
      answer(undefined);
    } catch (error) {
      answer(error);
    } finally {
      clearTimeout(late);
    }
  }

  async #admit(hello: raftPeer.Hello, context: ShownCertificate): Promise<PeerIdentity> {
    const { host, security } = this.#options;
    if (this.#isClosed) throw stopping();
    const self = host.identity();
    const identity = checkHello(hello, shownBy(security, context), self);
    await host.admit(identity, self.nodeId);
    if (this.#isClosed) throw stopping();
    // A node that waited to be added may have joined just now; another may have been quicker.
    checkHello(hello, { kind: 'none' }, host.identity());
    return identity;
  }

  #begin(heard: Heard): void {
    const { nodeId } = heard.identity;
    const before = this.#heard.get(nodeId);
    this.#heard.set(nodeId, heard);
    before?.end(new ZkraftError('cancelled', 'a newer stream of this node took its place'));
    this.#options.met(nodeId);
  }

  #finish(heard: Heard): void {
    const { nodeId } = heard.identity;
    if (this.#heard.get(nodeId) !== heard) return;
    this.#heard.delete(nodeId);
    if (!this.#isClosed) this.#options.met(nodeId);
  }

  #noteRefusal(name: string, thrown: unknown): void {
    const { code, message } = ZkraftError.from(thrown);
    const { logger, observer } = this.#options;
    const shown = name.slice(0, 128);
    if (code === 'internal') logger.error({ err: thrown, peer: shown }, 'a raft peer was not served');
    else if (this.#refusals.note(shown, message)) {
      logger.warn({ peer: shown, code, reason: message }, 'a raft peer was not let in, or was cut off');
    }
    observer.refused?.(shown, message);
  }
}

const stopping = (): ZkraftError => new ZkraftError('shutting_down', 'this node is stopping');
/** Of one empty message; a peer that takes no longer is not worth waiting for. */
const GREETING_MS = 1_000;

const within = (ms: number, start: (done: () => void) => void): Promise<void> =>
  new Promise((resolve) => {
    const late = setTimeout(resolve, ms);
    start(() => {
      clearTimeout(late);
      resolve();
    });
  });

const tooMany = (): ZkraftError =>
  new ZkraftError('overloaded', `${PEERS_HEARD_MAX} peers are heard already, and a cluster has fewer`);
const noHello = (): ZkraftError =>
  new ZkraftError('invalid_request', 'a stream of the Raft port begins with who speaks, and this one does not');
const lateHello = (ms: number): ZkraftError => new ZkraftError('request_timeout', `nobody was let in within ${ms} ms`);
