/**
 * Peers over mutual TLS with frames of V8's serializer: a transport for tests of nodes in processes of their own.
 *
 * One connection a peer and direction; a hello names who speaks and who is meant, and is checked against the
 * certificate. Snapshots have connections of their own. What does not fit into a bounded queue is dropped.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { deserialize, serialize } from 'node:v8';
import type { ConnectTransport, Member, PeerIdentity, raftCore, TransportHost } from '../../src/raft/index.ts';

export interface SocketFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

type Hello =
  | { readonly kind: 'stream' | 'snapshot'; readonly from: PeerIdentity; readonly to: number }
  | { readonly kind: 'identify' };

const QUEUE_BYTES_MAX = 16 * 1024 * 1024;
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const DIAL_AGAIN_MS = 20;

export function socketTransport(address: string, files: SocketFiles): ConnectTransport {
  const tls = { cert: readFileSync(files.cert), key: readFileSync(files.key), ca: readFileSync(files.ca) };
  return async (host) => {
    const met = new Map<number, string>();
    const links = new Map<number, Link>();
    const sockets = new Set<TLSSocket>();
    let members: readonly Member[] = [];
    let isClosed = false;

    const dial = (at: string, hello: Hello): TLSSocket => {
      const [name = '', port = ''] = at.split(':');
      const socket = connect({ host: name, port: Number(port), ...tls, checkServerIdentity: () => undefined });
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
      sockets.add(socket);
      write(socket, hello);
      return socket;
    };
    const addressOf = (id: number): string | undefined =>
      members.find(({ nodeId }) => nodeId === id)?.raftAddress || met.get(id);
    const linkTo = (id: number): Link | undefined => {
      const known = links.get(id);
      if (known !== undefined && (!known.socket.destroyed || performance.now() - known.dialledMs < DIAL_AGAIN_MS)) {
        return known.socket.destroyed ? undefined : known;
      }
      const at = addressOf(id);
      if (at === undefined || isClosed) return undefined;
      const socket = dial(at, { kind: 'stream', from: host.identity(), to: id });
      const link = { socket, dialledMs: performance.now() };
      socket.on('close', () => host.unreachable(id));
      links.set(id, link);
      return link;
    };

    const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (socket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
      void serve(host, socket, met).catch(() => socket.destroy());
    });
    const [listenHost, listenPort] = address.split(':');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(Number(listenPort), listenHost, resolve);
    });

    return {
      send(message) {
        const link = linkTo(message.to);
        if (link === undefined || link.socket.writableLength > QUEUE_BYTES_MAX) host.unreachable(message.to);
        else write(link.socket, message);
      },
      sendSnapshot(message) {
        const failed = () => host.snapshotSent(message.to, 'failed');
        const at = addressOf(message.to);
        const store = host.snapshots();
        if (at === undefined || store === undefined) return failed();
        const socket = dial(at, { kind: 'snapshot', from: host.identity(), to: message.to });
        const send = async (): Promise<void> => {
          write(socket, message);
          for await (const chunk of store.read(message.snapshot.metadata)) {
            if (!write(socket, chunk)) await new Promise<void>((resolve) => socket.once('drain', resolve));
          }
          write(socket, undefined);
          for await (const answer of frames(socket)) if (answer === 'arrived') return;
          throw new Error('cut off');
        };
        send()
          .then(() => host.snapshotSent(message.to, 'arrived'), failed)
          .finally(() => socket.destroy());
      },
      setMembers(now) {
        members = now;
        for (const [id, { socket }] of links) {
          if (!now.some(({ nodeId }) => nodeId === id)) {
            socket.destroy();
            links.delete(id);
          }
        }
      },
      async identify(at) {
        const socket = dial(at, { kind: 'identify' });
        try {
          for await (const answer of frames(socket)) return answer as PeerIdentity;
        } finally {
          socket.destroy();
        }
        throw new Error(`${at} did not say who it is`);
      },
      async close() {
        isClosed = true;
        for (const socket of sockets) socket.destroy();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      },
    };
  };
}

interface Link {
  readonly socket: TLSSocket;
  readonly dialledMs: number;
}

async function serve(host: TransportHost, socket: TLSSocket, met: Map<number, string>): Promise<void> {
  const incoming = frames(socket);
  const first = (await incoming.next()).value as Hello | undefined;
  if (first === undefined) return;
  if (first.kind === 'identify') {
    write(socket, host.identity());
    return;
  }
  if (socket.getPeerCertificate().subject.CN !== first.from.name) throw new Error('another name than the certificate');
  await host.admit(first.from, first.to);
  met.set(first.from.nodeId, first.from.raftAddress);
  if (first.kind === 'stream') {
    for await (const message of incoming) host.receive(message as raftCore.PeerMessage);
    return;
  }
  const message = (await incoming.next()).value as raftCore.SnapshotMessage;
  const writer = await host.snapshots()?.create(message.snapshot.metadata);
  if (writer === undefined) throw new Error('no log yet');
  let isWhole = false;
  for await (const chunk of incoming) {
    if (chunk === undefined) {
      isWhole = true;
      break;
    }
    await writer.write(chunk as Uint8Array);
  }
  if (!isWhole) return await writer.abort();
  await writer.finish();
  host.receive(message);
  write(socket, 'arrived');
}

function write(socket: TLSSocket, value: unknown): boolean {
  const body = serialize(value);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return socket.write(Buffer.concat([head, body]));
}

async function* frames(socket: TLSSocket): AsyncGenerator<unknown> {
  let rest = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (length > FRAME_BYTES_MAX) throw new Error('too large');
      if (rest.length < 4 + length) break;
      const value: unknown = deserialize(rest.subarray(4, 4 + length));
      rest = rest.subarray(4 + length);
      yield value;
    }
  }
}
