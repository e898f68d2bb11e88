/**
 * The way to the peers: listens on the Raft port, keeps a stream to each member, carries snapshots beside them.
 *
 * `send` never waits and never throws; what cannot be sent is dropped, counted, and told as unreachable. A member is
 * dialled at the address that it gave itself on the stream that it has open to us, else at the one in the record, and
 * whoever is in neither is unknown. A node that is being added knows its leader only in the first way.
 */
import { Metadata, Server } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../../common/index.ts';
import { raftPeer } from '../../common/rpc/index.ts';
import type { PeerMessage, SnapshotMessage } from '../core/index.ts';
import type { Member } from '../node/members.ts';
import type { ConnectTransport, NodeTransport, PeerIdentity, PeerLink, Refusal, TransportHost } from '../node/ports.ts';
import type { NodeId } from '../types.ts';
import { dial, FRAME_OVERHEAD_BYTES, keepaliveOptions } from './dial.ts';
import { checkName, checkVersion, decodeIdentity, PROTOCOL_VERSION } from './handshake.ts';
import { IncomingStreams } from './incoming.ts';
import { SNAPSHOT_CHUNK_BYTES_MAX, TRANSPORT_LIMITS, type TransportLimits } from './limits.ts';
import { Link, type LinkTarget } from './link.ts';
import type { TransportObserver } from './observer.ts';
import { onRefusedHandshake } from './refused-handshakes.ts';
import { checkSecurity, serverCredentials, type TransportSecurity } from './security.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import { ownCertificateProblem } from './tls-failure.ts';

export interface GrpcTransportOptions {
  /** host:port to listen on. Port 0 takes a free one; `onListening` says which. */
  readonly listen: string;
  readonly security: TransportSecurity;
  readonly limits?: Partial<TransportLimits>;
  readonly observer?: TransportObserver;
  readonly logger: Logger;
  /** What else is served on the Raft port: the admin service. */
  readonly addServices?: (server: Pick<Server, 'addService'>) => void;
  readonly onListening?: (port: number) => void;
  /** From 0 to, without, 1: spreads out who dials when. */
  readonly random?: () => number;
}

/** Calls in flight have as long to end by themselves when a node stops. */
const CLOSE_GRACE_MS = 200;
/** Messages, snapshots and operators of a few peers. */
const STREAMS_MAX = 64;

/** For `openRaftNode`. Rejects with `port_in_use`, `config_invalid`. */
export function grpcTransport(options: GrpcTransportOptions): ConnectTransport {
  return async (host) => {
    checkSecurity(options.security, host.identity().name);
    const transport = new GrpcTransport(host, options);
    await transport.listen();
    return transport;
  };
}

class GrpcTransport implements NodeTransport {
  readonly #host: TransportHost;
  readonly #options: GrpcTransportOptions;
  readonly #limits: TransportLimits;
  readonly #observer: TransportObserver;
  readonly #server: Server;
  readonly #incoming: IncomingStreams;
  readonly #snapshots: SnapshotSender;
  readonly #links = new Map<NodeId, Link>();
  #members: ReadonlyMap<NodeId, Member> = new Map();
  #closing: Promise<void> | undefined;

  constructor(host: TransportHost, options: GrpcTransportOptions) {
    this.#host = host;
    this.#options = options;
    this.#limits = { ...TRANSPORT_LIMITS, ...options.limits };
    this.#observer = options.observer ?? {};
    const { security, logger } = options;
    const shared = { host, security, logger, limits: this.#limits, observer: this.#observer };
    this.#snapshots = new SnapshotSender(shared);
    this.#incoming = new IncomingStreams({ ...shared, met: (nodeId) => this.#met(nodeId) });
    this.#server = new Server({
      ...keepaliveOptions(this.#limits),
      'grpc.max_receive_message_length':
        Math.max(this.#limits.messageBytesMax, SNAPSHOT_CHUNK_BYTES_MAX) + FRAME_OVERHEAD_BYTES,
      'grpc.max_concurrent_streams': STREAMS_MAX,
    });
    this.#server.addService(raftPeer.RaftPeerServiceService, this.#incoming.service);
    options.addServices?.(this.#server);
    if (security.mode === 'insecure') {
      logger.warn({ listen: options.listen }, 'the Raft port is in plain text, and believes whatever name it is told');
    }
    const problem = ownCertificateProblem(security, new Date());
    if (problem !== undefined) logger.error({ reason: problem }, 'no raft peer will take the certificate of this node');
  }

  async listen(): Promise<void> {
    const { listen, security, onListening } = this.#options;
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(listen, serverCredentials(security), (error, bound) => {
        if (error === null) return resolve(bound);
        const field = 'coordinator.raft.raft_port';
        reject(
          /EADDRINUSE/.test(error.message)
            ? new ZkraftError('port_in_use', `${listen} is in use; stop who listens there, or set ${field}`, { field })
            : new ZkraftError('config_invalid', `cannot listen on ${listen}: ${error.message}`, {
                field,
                cause: error,
              }),
        );
      });
    });
    if (security.mode === 'mutual-tls') {
      onRefusedHandshake(this.#server, (from, why) => this.#incoming.noteStranger(from, why));
    }
    onListening?.(port);
  }

  send(message: PeerMessage): void {
    if (message.type === 'snapshot') {
      this.sendSnapshot(message);
      return;
    }
    const link = this.#links.get(message.to) ?? this.#link(message.to);
    if (link !== undefined) link.send(message);
    else {
      this.#observer.dropped?.(String(message.to), 1, 'unknown');
      setImmediate(() => this.#host.unreachable(message.to));
    }
  }

  sendSnapshot(message: SnapshotMessage): void {
    this.#snapshots.send(message, this.#closing === undefined ? this.#target(message.to) : undefined);
  }

  setMembers(members: readonly Member[]): void {
    const before = this.#members;
    const self = this.#host.identity().nodeId;
    this.#members = new Map(members.filter(({ nodeId }) => nodeId !== self).map((member) => [member.nodeId, member]));
    for (const nodeId of before.keys()) {
      if (this.#members.has(nodeId)) continue;
      this.#incoming.cutOff(nodeId);
      this.#snapshots.cancel(nodeId);
    }
    for (const nodeId of new Set([...this.#links.keys(), ...this.#members.keys()])) {
      this.#relink(nodeId);
      // Whom we took for a stranger may be a member now.
      this.#links.get(nodeId)?.retry();
    }
  }

  async identify(address: string): Promise<PeerIdentity> {
    let shown: string | undefined;
    const { client, close, reason } = dial({
      address,
      security: this.#options.security,
      limits: this.#limits,
      check: (name) => {
        shown = name;
      },
    });
    try {
      const deadline = Date.now() + this.#limits.handshakeMs;
      const answer = await new Promise<raftPeer.IdentifyResponse>((resolve, reject) => {
        client.identify({ protocolVersion: PROTOCOL_VERSION }, new Metadata(), { deadline }, (error, response) =>
          error === null ? resolve(response) : reject(error),
        );
      });
      checkVersion(answer.protocolVersion, this.#host.identity().name);
      const identity = decodeIdentity(answer.node);
      checkName(identity.name, shown === undefined ? { kind: 'none' } : { kind: 'certificate', name: shown });
      return identity;
    } catch (error) {
      throw reason(error);
    } finally {
      close();
    }
  }

  link(nodeId: NodeId): PeerLink | undefined {
    return this.#links.get(nodeId)?.status;
  }

  refusals(): readonly Refusal[] {
    return this.#incoming.refusals();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    await Promise.all([this.#snapshots.close(), this.#incoming.close()]);
    await new Promise<void>((resolve) => {
      const late = setTimeout(() => {
        this.#server.forceShutdown();
        resolve();
      }, CLOSE_GRACE_MS);
      this.#server.tryShutdown(() => {
        clearTimeout(late);
        resolve();
      });
    });
  }

  /** Where a node is, by its own word or by the record. */
  #target(nodeId: NodeId): LinkTarget | undefined {
    const member = this.#incoming.identityOf(nodeId) ?? this.#members.get(nodeId);
    if (member === undefined) return undefined;
    // Its word may lack an address; the record may still have one.
    const address = member.raftAddress || this.#members.get(nodeId)?.raftAddress || '';
    return address === '' ? undefined : { nodeId, name: member.name, address };
  }

  /** A stream of that node to us has begun, or has ended. */
  #met(nodeId: NodeId): void {
    this.#relink(nodeId);
    // It speaks to us: it may listen too by now.
    if (this.#incoming.identityOf(nodeId) !== undefined) this.#links.get(nodeId)?.retry();
  }

  /** What is known of the node has changed: a link that no longer fits goes, one that should be there is made. */
  #relink(nodeId: NodeId): void {
    if (this.#closing !== undefined) return;
    const link = this.#links.get(nodeId);
    const target = this.#target(nodeId);
    const isKept = this.#members.has(nodeId);
    if (link !== undefined && target !== undefined) {
      const { name, address } = link.target;
      if (name === target.name && address === target.address && link.isKept === isKept) return;
    }
    link?.close();
    this.#links.delete(nodeId);
    if (target !== undefined && isKept) this.#link(nodeId);
  }

  #link(nodeId: NodeId): Link | undefined {
    const target = this.#closing === undefined ? this.#target(nodeId) : undefined;
    if (target === undefined) return undefined;
    const link = new Link({
      target,
      isKept: this.#members.has(nodeId),
      self: () => this.#host.identity(),
      security: this.#options.security,
      limits: this.#limits,
      observer: this.#observer,
      logger: this.#options.logger,
      random: this.#options.random ?? Math.random,
      unreachable: () => this.#host.unreachable(nodeId),
      gone: () => this.#host.gone(nodeId),
    });
    this.#links.set(nodeId, link);
    return link;
  }
}
