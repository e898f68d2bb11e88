/** Clusters of real nodes on real folders in one process, over `LocalNetwork`. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../../src/common/logging/index.ts';
import { type OpenNodeOptions, openRaftNode, type RaftNode } from '../../../src/raft/node/index.ts';
import type { StateMachine } from '../../../src/raft/replicated-log.ts';
import { ListMachine } from '../list-machine.ts';
import { LocalNetwork } from './local-network.ts';

export const TIMEOUT_MS = 150;

export interface BedNode<Machine = ListMachine> {
  readonly name: string;
  readonly node: RaftNode<string>;
  readonly machine: Machine;
  readonly fatal: Error[];
}

type More = Partial<OpenNodeOptions<string>>;

export class MachineBed<Machine extends StateMachine<string>> {
  readonly network = new LocalNetwork();
  readonly root = mkdtempSync(join(tmpdir(), 'raft-node-'));
  readonly nodes = new Map<string, BedNode<Machine>>();
  readonly #makeMachine: () => Machine;

  constructor(makeMachine: () => Machine) {
    this.#makeMachine = makeMachine;
  }

  async start(name: string, more: More = {}): Promise<BedNode<Machine>> {
    const machine = this.#makeMachine();
    const fatal: Error[] = [];
    const node = await openRaftNode<string>({
      dir: join(this.root, name),
      name,
      raftAddress: name,
      clientAddress: `${name}:clients`,
      connect: this.network.connector(name),
      heartbeatTimeoutMs: TIMEOUT_MS,
      electionTimeoutMs: TIMEOUT_MS,
      promoteInTouchMs: 100,
      codec: { encode: (text) => new TextEncoder().encode(text), decode: (bytes) => new TextDecoder().decode(bytes) },
      freeBytesMin: 0,
      logger: silentLogger,
      onFatal: (error) => fatal.push(error),
      ...more,
    });
    await node.start(machine);
    const started = { name, node, machine, fatal };
    this.nodes.set(name, started);
    return started;
  }

  /** `a` bootstraps; the others are added and become voters. */
  async cluster(names: readonly string[], more: More = {}): Promise<BedNode<Machine>[]> {
    const [first = 'a', ...others] = names;
    const leader = await this.start(first, { ...more, bootstrap: true });
    await eventually(() => leader.node.status().state === 'Leader');
    for (const name of others) {
      await this.start(name, more);
      await this.join(leader, name);
    }
    const all = names.map((name) => this.nodes.get(name) as BedNode<Machine>);
    await eventually(() => all.every(({ node }) => node.status().peers === names.length));
    return all;
  }

  async join(leader: BedNode<Machine>, name: string): Promise<void> {
    await retried(() => leader.node.addPeer(name));
    await retried(() => leader.node.promote(name));
  }

  async stop(name: string): Promise<void> {
    await this.nodes.get(name)?.node.close();
    this.nodes.delete(name);
  }

  wipe(name: string): void {
    rmSync(join(this.root, name), { recursive: true });
  }

  async leader(among: readonly string[] = [...this.nodes.keys()]): Promise<BedNode<Machine>> {
    let found: BedNode<Machine> | undefined;
    await eventually(() => {
      const leaders = among.map((name) => this.nodes.get(name)).filter((one) => one?.node.status().state === 'Leader');
      found = leaders.length === 1 ? leaders[0] : undefined;
      return found !== undefined;
    });
    return found as BedNode<Machine>;
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map(({ node }) => node.close()));
    rmSync(this.root, { recursive: true, force: true });
  }
}

export class NodeBed extends MachineBed<ListMachine> {
  constructor() {
    super(() => new ListMachine());
  }
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export const words = ({ machine }: BedNode): string[] =>
  machine.applied.map((entry) => entry.text).filter((word) => word !== '');

export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `did not come true within ${withinMs} ms: ${holds}`);
    await pause(5);
  }
}

/** Until it is not refused any more. */
export async function retried<T>(work: () => Promise<T>, withinMs = 10_000): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > end) throw error;
      await pause(20);
    }
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
