/**
 * The links between the coordinators of a scenario: a proxy for each ordered pair, on a loopback address of its own, which
 * can be cut and mended. What was under way when a link is cut is lost, as with a cable.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Where node `to` of the scenario is found by all; `peer-names.mjs` says what it is for each. */
export const peerHost = (to: number): string => `coordinator-${to}.scenario`;

class Link {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  carried = 0;

  constructor(target: number) {
    this.#server = createServer((socket) => {
      if (this.#isCut) return socket.destroy();
      this.carried += 1;
      const onward = connect(target, '127.0.0.1');
      for (const [one, other] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve(this.#server.address() as AddressInfo));
    });
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
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
