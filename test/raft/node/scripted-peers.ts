/**
 * One real node, of three voters, whose disk, clock and two peers are the test's.
 *
 * Nothing takes time: the clock moves by `advance`, the disk by `place.disk`, and `settle` lets the turns of the event loop
 * go round that all else needs. The peers answer as followers that have everything do, as far as `answers` lets them.
 */
import { silentLogger } from '../../../src/common/logging/index.ts';
import type { raftCore } from '../../../src/raft/index.ts';
import {
  MEMBERSHIP_RULES,
  type Member,
  PROPOSAL_LIMITS,
  RaftNode,
  type Runtime,
  SNAPSHOT_POLICY,
} from '../../../src/raft/node/index.ts';
import { DiskStallWatch } from '../../../src/raft/storage/index.ts';
import { confState } from '../core/cluster.ts';
import { ListMachine } from '../list-machine.ts';
import { SimulatedPlace } from './simulated-place.ts';

type PeerMessage = raftCore.PeerMessage;

export const PEERS = [2, 3] as const;
export const TIMEOUT_MS = 1_000;
const TICK_MS = TIMEOUT_MS / 10;
/** More than any chain of one thing following from another is long. */
const TURNS = 40;

export class ScriptedPeers {
  readonly place: SimulatedPlace;
  readonly fatal: string[] = [];
  /** All that the node has said, in order. */
  readonly sent: PeerMessage[] = [];
  /** Which of it is answered. */
  answers: (message: PeerMessage) => boolean = () => true;
  node: RaftNode<string>;
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly work: () => void }[] = [];
  readonly #stall: DiskStallWatch;

  private constructor() {
    this.#stall = new DiskStallWatch({ electionTimeoutMs: TIMEOUT_MS, now: () => this.#nowMs });
    this.place = new SimulatedPlace('a', this.#stall);
    this.node = this.#make();
  }

  static async start(): Promise<ScriptedPeers> {
    const bed = new ScriptedPeers();
    const self = await bed.place.incarnation();
    const made = await bed.place.create('a cluster', self, confState([...PEERS, self.nodeId]));
    await made.log.close();
    await bed.#run();
    return bed;
  }

  /** Without a log: it waits until a leader adds it. */
  static async startWaiting(): Promise<ScriptedPeers> {
    const bed = new ScriptedPeers();
    await bed.#run();
    return bed;
  }

  get id(): number {
    return this.node.identity().nodeId;
  }

  /** The power goes and comes back: what was not synced is lost, and the process with it. */
  async powerCut(): Promise<void> {
    this.#timers = [];
    this.place.disk.crash();
    this.place.folder.crash();
    this.node = this.#make();
    await this.#run();
  }

  async #run(): Promise<void> {
    await this.node.open();
    await this.node.start(new ListMachine());
    await this.settle();
  }

  #make(): RaftNode<string> {
    let isGone = false;
    const node: RaftNode<string> = new RaftNode<string>({
      name: 'a',
      raftAddress: 'a',
      clientAddress: 'a:clients',
      place: this.place,
      bootstrap: false,
      connect: async () => ({
        send: (message) => {
          if (isGone || node !== this.node) return;
          this.sent.push(message);
          const answer = this.answers(message) ? answerOf(message) : undefined;
          if (answer !== undefined) setImmediate(() => node.receive(answer));
        },
        sendSnapshot: () => {},
        setMembers: () => {},
        identify: async (address) => ({ ...strangerAt(address), clusterId: undefined }),
        close: async () => {
          isGone = true;
        },
      }),
      maxAppendEntries: 64,
      commitTimeoutMs: 0,
      heartbeatTimeoutMs: TIMEOUT_MS,
      electionTimeoutMs: TIMEOUT_MS,
      snapshots: SNAPSHOT_POLICY,
      proposals: PROPOSAL_LIMITS,
      membership: MEMBERSHIP_RULES,
      maxMessageBytes: 2 ** 20,
      stall: this.#stall,
      freeSpace: undefined,
      codec: undefined,
      runtime: this.#runtime(),
      observer: {},
      logger: silentLogger,
      onFatal: ({ code }) => this.fatal.push(code),
    });
    return node;
  }

  #runtime(): Runtime {
    return {
      now: () => this.#nowMs,
      random: () => 0,
      defer: (work) => void setImmediate(work),
      after: (delayMs, work) => {
        const timer = { atMs: this.#nowMs + delayMs, work };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((one) => one !== timer);
        };
      },
    };
  }

  /** Until nothing follows any more from what has happened. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Tick by tick, each with all that follows from it. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    while (this.#nowMs < endMs) {
      this.#nowMs = Math.min(endMs, this.#nowMs + TICK_MS);
      const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
      this.#timers = this.#timers.filter((one) => !due.includes(one));
      for (const { work } of due) work();
      await this.settle();
    }
  }

  /** Gives the node a message; what it says next, once all has followed from it that can. */
  async tell(message: PeerMessage): Promise<readonly PeerMessage[]> {
    const before = this.sent.length;
    this.node.receive(message);
    await this.settle();
    return this.sent.slice(before);
  }

  /** It leads, has committed an entry of its term, and stands in the members' record. */
  async lead(): Promise<void> {
    for (let ticks = 0; ticks < 100 && this.node.status().state !== 'Leader'; ticks += 1) await this.advance(TICK_MS);
    await this.advance(2 * TICK_MS);
  }
}

const strangerAt = (address: string): Member => ({
  nodeId: 100 + address.charCodeAt(0),
  name: address,
  incarnationId: `incarnation of ${address}`,
  raftAddress: address,
  clientAddress: `${address}:clients`,
});

/** Of a follower that has everything, and votes for everybody. */
function answerOf(message: PeerMessage): PeerMessage | undefined {
  const { from: to, to: from, term } = message;
  if (from !== PEERS[0] && from !== PEERS[1]) return undefined;
  switch (message.type) {
    case 'vote':
    case 'pre-vote':
      return { type: `${message.type}-response`, from, to, term, granted: true };
    case 'append':
      return { type: 'append-response', from, to, term, index: message.previous.index + message.entries.length };
    case 'heartbeat':
      return { type: 'heartbeat-response', from, to, term, readRound: message.readRound };
    default:
      return undefined;
  }
}
