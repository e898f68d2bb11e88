/**
 * Peers of one process: messages are handed over in a later turn, as objects, and links can be cut.
 *
 * For tests of the node alone. What it does with handshakes and snapshots is what the real transport does.
 */

import type { raftCore } from '../../../src/raft/index.ts';
import type {
  ConnectTransport,
  Member,
  NodeTransport,
  PeerIdentity,
  TransportHost,
} from '../../../src/raft/node/index.ts';

type PeerMessage = raftCore.PeerMessage;

export class LocalNetwork {
  readonly #hosts = new Map<string, TransportHost>();
  readonly #cut = new Set<string>();
  readonly refusals: string[] = [];
  /** Called for each message on its way; false loses it. */
  filter: (message: PeerMessage, from: string, to: string) => boolean = () => true;

  /** By address, both ways. */
  isolate(address: string): void {
    this.#cut.add(address);
  }

  heal(): void {
    this.#cut.clear();
  }

  connector(address: string): ConnectTransport {
    return async (host) => {
      this.#hosts.set(address, host);
      return this.#transport(address, host);
    };
  }

  #transport(address: string, host: TransportHost): NodeTransport {
    let members: readonly Member[] = [];
    /** Of peers that were met, before the record names them. */
    const met = new Map<number, string>();
    const admitted = new Map<string, Promise<boolean>>();
    let isClosed = false;
    const deliver = async (message: PeerMessage, hand: (peer: TransportHost) => Promise<void>): Promise<boolean> => {
      const to = members.find(({ nodeId }) => nodeId === message.to)?.raftAddress ?? met.get(message.to);
      const peer = to === undefined ? undefined : this.#hosts.get(to);
      const isCut = to === undefined || this.#cut.has(to) || this.#cut.has(address);
      if (isClosed || peer === undefined || to === undefined || isCut || !this.filter(message, address, to))
        return false;
      const key = `${to} ${peer.identity().nodeId} ${host.identity().clusterId}`;
      const admission =
        admitted.get(key) ??
        peer.admit(host.identity(), message.to).then(
          () => true,
          (error: Error) => {
            this.refusals.push(error.message);
            admitted.delete(key);
            return false;
          },
        );
      admitted.set(key, admission);
      if (!(await admission)) return false;
      this.#meet.get(to)?.(message.from, address);
      await hand(peer);
      return true;
    };
    this.#meet.set(address, (id, at) => met.set(id, at));
    return {
      send: (message) => {
        setImmediate(() => {
          void deliver(message, async (peer) => peer.receive(structuredClone(message))).then((arrived) => {
            if (!arrived && !isClosed) host.unreachable(message.to);
          });
        });
      },
      sendSnapshot: (message) => {
        const { metadata } = message.snapshot;
        deliver(message, async (peer) => {
          const writer = await peer.snapshots()?.create(metadata);
          const source = host.snapshots();
          if (writer === undefined || source === undefined) throw new Error('no store');
          for await (const chunk of source.read(metadata)) await writer.write(chunk);
          await writer.finish();
          peer.receive(message);
        }).then(
          (arrived) => host.snapshotSent(message.to, arrived ? 'arrived' : 'failed'),
          () => host.snapshotSent(message.to, 'failed'),
        );
      },
      setMembers: (now) => {
        members = now;
      },
      identify: async (at): Promise<PeerIdentity> => {
        const peer = this.#hosts.get(at);
        if (peer === undefined) throw new Error(`nobody at ${at}`);
        return peer.identity();
      },
      close: async () => {
        isClosed = true;
        if (this.#hosts.get(address) === host) this.#hosts.delete(address);
      },
    };
  }

  readonly #meet = new Map<string, (id: number, at: string) => void>();
}
