/**
 * The links between the coordinators of a scenario: a proxy for each ordered pair, on a loopback address of its own, which
 * can be cut and mended. What was under way when a link is cut is lost, as with a cable. Where nobody listens beyond a link
 * it listens no more either, so that whoever dials is refused as without it.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where node `to` of the scenario is found by all; `peer-names.mjs` says what it is for each. */
export const peerHost = (to: number): string => `coordinator-${to}.scenario`;

class Link {
  readonly #server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #at = { host: '', port: 0 };
  #isCut = false;
  #isOver = false;
  #absence: Promise<void> | undefined;
  carried = 0;

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((socket) => {
      if (this.#isCut) return socket.destroy();
      this.carried += 1;
      const onward = connect(target, '127.0.0.1');
      for (const one of [socket, onward]) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => this.#sockets.delete(one));
      }
      socket.on('close', () => onward.destroy());
      // Whoever dials again at once is refused, as it would be by a machine whose process has ended.
      onward.on('close', () => void this.#refuseWhileAway().then(() => socket.destroy()));
      socket.pipe(onward).pipe(socket);
    });
  }

  listen(host: string, port: number): Promise<void> {
    this.#at = { host, port };
    return this.#listen();
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.#isOver = true;
    this.cut();
    this.#server.close();
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#at.port, this.#at.host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  /** Resolves when nobody is let in any more, if nobody listens beyond. */
  async #refuseWhileAway(): Promise<void> {
    if (this.#isCut || this.#isOver || this.#absence !== undefined || (await listens(this.#target))) return;
    if (this.#absence !== undefined || !this.#server.listening) return;
    this.#server.close();
    this.#absence = (async () => {
      while (!this.#isOver && !(await listens(this.#target))) await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
      this.#absence = undefined;
      if (!this.#isOver) await this.#listen();
    })();
  }
}

const LOOK_AGAIN_MS = 25;

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export class PeerLinks {
  readonly #links = new Map<string, Link>();

  /** `ports`: the Raft ports of the nodes, the first being node 1. */
  static async open(ports: readonly number[]): Promise<PeerLinks> {
    const links = new PeerLinks();
    for (const [i] of ports.entries()) {
      for (const [j, port] of ports.entries()) {
        if (i === j) continue;
        const link = new Link(port);
        await link.listen(`127.1.${i + 1}.${j + 1}`, port);
        links.#links.set(`${i + 1}-${j + 1}`, link);
      }
    }
    return links;
  }

  /** Connections that went over them. */
  get carried(): number {
    return [...this.#links.values()].reduce((sum, link) => sum + link.carried, 0);
  }

  /** Cuts a node off from all others, in both directions. */
  cut(node: number): void {
    for (const [pair, link] of this.#links) if (pair.split('-').includes(String(node))) link.cut();
  }

  mend(): void {
    for (const link of this.#links.values()) link.mend();
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }
}
