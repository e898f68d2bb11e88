/**
 * A simulated world: machines, a network, clients, operators and faults, on virtual time and one source of chance.
 *
 * The real node runs in it, with its driver, its log and its snapshots; only clock, chance, disk and network are not
 * real. After every event the oracle looks. At the end all is healed, and what must hold then is looked at too.
 */

import { Client, Onlooker, type Seen } from './clients.ts';
import { Coverage } from './coverage.ts';
import { Faults } from './faults.ts';
import type { HostWorld } from './host.ts';
import { Host } from './host.ts';
import { Network } from './network.ts';
import { Operator } from './operators.ts';
import { Oracle } from './oracle.ts';
import { PROFILES, type Profile, type ProfileName, TICK_MS } from './profile.ts';
import { Random } from './random.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';
import type { Violation } from './violation.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly ticks: number;
  readonly profile?: ProfileName;
  /** Lines of the trace to keep as text. */
  readonly keepLines?: number;
}

const OPERATORS = 2;
const SETTING_UP_LIMIT_MS = 120_000;

export class World implements HostWorld {
  readonly timeline = new Timeline();
  readonly coverage = new Coverage();
  readonly oracle = new Oracle(this.coverage);
  readonly random: Random;
  readonly trace: Trace;
  readonly profile: Profile;
  readonly network: Network;
  readonly hosts: Host[] = [];
  readonly history: Seen[] = [];
  readonly #endMs: number;
  readonly #touched = new Set<Host>();
  #minted = 0;
  #isOpen = false;
  #clientsAtWork = 0;
  #operatorsRestUntilMs = 0;
  #changeBegunMs = 0;

  constructor({ seed, ticks, profile = 'swarm', keepLines = 0 }: WorldOptions) {
    this.random = new Random(seed);
    this.trace = new Trace(keepLines);
    this.profile = PROFILES[profile](this.random);
    this.#endMs = ticks * TICK_MS;
    this.network = new Network(this);
    const { voters, spares } = this.profile;
    for (let i = 1; i <= voters + spares; i += 1) this.hosts.push(new Host(`n${i}`, this, i === 1));
  }

  get nowMs(): number {
    return this.timeline.nowMs;
  }

  get violation(): Violation | undefined {
    return this.oracle.violation;
  }

  /** While clients, operators and faults are at it. */
  get isOpen(): boolean {
    return this.#isOpen && this.oracle.violation === undefined;
  }

  /** An operator asks for a change of the members. */
  changeBegins(): void {
    this.#changeBegunMs = this.nowMs;
  }

  /** Since the last one was asked for. */
  get changeAgoMs(): number {
    return this.nowMs - this.#changeBegunMs;
  }

  get areOperatorsResting(): boolean {
    return this.nowMs < this.#operatorsRestUntilMs;
  }

  restOperators(durationMs: number): void {
    this.#operatorsRestUntilMs = this.nowMs + durationMs;
  }

  get clientsAtWork(): number {
    return this.#clientsAtWork;
  }

  mintNodeId(): number {
    this.#minted += 1;
    return this.#minted;
  }

  touched(host: Host): void {
    this.#touched.add(host);
  }

  after(delayMs: number, work: () => void): void {
    this.timeline.after(delayMs, work);
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.timeline.after(ms, resolve);
    });
  }

  /** `undefined` when it takes longer. */
  within<T>(limitMs: number, work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const callOff = this.timeline.after(limitMs, () => resolve(undefined));
      work.then(
        (value) => {
          callOff();
          resolve(value);
        },
        (error: unknown) => {
          callOff();
          reject(error);
        },
      );
    });
  }

  /** A cluster is set up in good weather; then clients, operators and faults until the time is over. */
  async run(): Promise<void> {
    this.network.setWeather({ meanDelayMs: 5, lossProbability: 0, doubleProbability: 0, straggleProbability: 0 });
    let isSetUp = false;
    this.after(0, () => {
      for (const host of this.hosts) host.start();
      void this.#setUp().then(() => {
        isSetUp = true;
      });
    });
    if (!(await this.runUntil(SETTING_UP_LIMIT_MS, () => isSetUp))) {
      return this.oracle.violated('recovery', 'the cluster could not be set up in good weather');
    }
    this.network.setWeather(this.profile.weather);
    this.#isOpen = true;
    for (let id = 0; id <= this.profile.clients; id += 1) {
      this.#clientsAtWork += 1;
      const client = id === 0 ? new Onlooker(id, this) : new Client(id, this);
      void client.run().then(() => {
        this.#clientsAtWork -= 1;
      });
    }
    const { operateEveryMs } = this.profile;
    if (operateEveryMs !== undefined) {
      for (let i = 0; i < OPERATORS; i += 1) void new Operator(this).run(operateEveryMs);
    }
    void new Faults(this).run();
    await this.runUntil(this.#endMs, () => false);
    this.#isOpen = false;
  }

  /** Goes on until `holds`, or the time is `endMs`, or something is violated. Whether it held. */
  async runUntil(endMs: number, holds: () => boolean): Promise<boolean> {
    while (this.oracle.violation === undefined) {
      if (holds()) return true;
      const isStep = await this.timeline.step(endMs);
      if (this.timeline.isSettled) this.#lookAtTouched();
      if (!isStep) return holds();
    }
    return false;
  }

  /** Nothing ails anybody any more, and all are up. */
  heal(): void {
    this.network.mend();
    this.network.setWeather({ meanDelayMs: 5, lossProbability: 0, doubleProbability: 0, straggleProbability: 0 });
    this.after(0, () => {
      for (const host of this.hosts) {
        host.heal();
        host.start();
      }
    });
  }

  look({ node, nodeId }: Host): void {
    if (node === undefined) return;
    const { state, term, commitIndex, appliedIndex } = node.outline();
    const { confState } = node;
    this.oracle.look({ nodeId, isLeader: state === 'Leader', term, commitIndex, appliedIndex, confState });
  }

  #lookAtTouched(): void {
    if (this.#touched.size === 0) return;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const host of touched) {
      host.serveDisk();
      this.look(host);
    }
  }

  async #setUp(): Promise<void> {
    const [first, ...others] = this.hosts.slice(0, this.profile.voters);
    for (const { name } of others) {
      await this.#retried(first, async (host) => void (await host.node?.addPeer(name)));
      await this.#retried(first, async (host) => await host.node?.promote(name));
    }
  }

  async #retried(host: Host | undefined, work: (host: Host) => Promise<void>): Promise<void> {
    if (host === undefined) return;
    for (;;) {
      const isDone = await work(host).then(
        () => host.node !== undefined,
        () => false,
      );
      this.touched(host);
      if (isDone) return;
      await this.pause(50);
    }
  }
}
