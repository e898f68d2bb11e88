/** What befalls a world, by the weights of its profile; each thing is repaired after a while. */
import { encodeKvCommand } from '../kv/index.ts';
import type { Host } from './host.ts';
import { FAULTS, type Fault } from './profile.ts';
import type { World } from './world.ts';

/** No client looks there. */
const FLOOD_KEY = 'flood';
const FLOOD_MAX = 40;
/** Before a disk is lost, and until a leader sees that the lost member is out of touch. */
const OPERATORS_REST_MS = 10_000;
/** A change that was asked for is in the log by then, or never will be. */
const CHANGE_OVER_MS = 5_000;
const STORM = { lossProbability: 0.3, doubleProbability: 0.2, straggleProbability: 0.1 };

export class Faults {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async run(): Promise<void> {
    const { random, profile } = this.#world;
    while (this.#world.isOpen) {
      await this.#world.pause(random.exponential(profile.faultEveryMs));
      if (this.#world.isOpen) this.#befall(this.#draw());
    }
  }

  #draw(): Fault {
    const { random, profile } = this.#world;
    const total = FAULTS.reduce((sum, fault) => sum + profile.weights[fault], 0);
    let left = random.unit() * total;
    for (const fault of FAULTS) {
      left -= profile.weights[fault];
      if (left < 0) return fault;
    }
    return 'kill-leader';
  }

  #befall(fault: Fault): void {
    const { random, hosts, profile, trace } = this.#world;
    const host = random.pick(hosts.filter(({ isUp }) => isUp));
    if (host === undefined) return;
    trace.add('fault', fault);
    this.#faults[fault](host, random.exponential(profile.repairAfterMs));
  }

  readonly #faults: Readonly<Record<Fault, (host: Host, lastsMs: number) => void>> = {
    kill: (host, lastsMs) => this.#crash(host, 'kill', lastsMs),
    'power-cut': (host, lastsMs) => this.#crash(host, 'power-cut', lastsMs),
    'kill-leader': (host, lastsMs) => {
      const kind = this.#world.random.happens(0.5) ? 'kill' : 'power-cut';
      this.#crash(this.#leader() ?? host, kind, lastsMs);
    },
    pause: (host, lastsMs) => this.#leaderOr(host).pause(lastsMs),
    split: (_host, lastsMs) => {
      const { random, hosts } = this.#world;
      const names = random.shuffled(hosts.map(({ name }) => name));
      const at = 1 + random.below(names.length - 1);
      this.#divide(names.slice(0, at), names.slice(at), lastsMs);
    },
    'isolate-leader': (host, lastsMs) => {
      const alone = this.#leader() ?? host;
      const others = this.#world.hosts.filter((other) => other !== alone).map(({ name }) => name);
      this.#divide([alone.name], others, lastsMs);
      if (this.#world.random.happens(0.5)) this.#flood(alone);
    },
    'one-way': (_host, lastsMs) => {
      const [a, b] = this.#world.random.shuffled(this.#world.hosts);
      if (a !== undefined && b !== undefined) this.#world.network.cut(a.name, b.name);
      this.#world.coverage.add('oneWayCuts');
      this.#mendAfter(lastsMs);
    },
    stall: (host, lastsMs) => {
      this.#leaderOr(host).stallDisk(lastsMs * (this.#world.random.pick([0.3, 1, 4]) ?? 1));
    },
    'disk-error': (host) => host.failDisk(),
    'lose-disk': (host) => {
      this.#world.restOperators(OPERATORS_REST_MS);
      this.#world.after(CHANGE_OVER_MS, () => this.#world.isOpen && this.#loseDisk(host));
    },
    storm: (_host, lastsMs) => {
      const { network, profile } = this.#world;
      network.setWeather({ ...profile.weather, ...STORM });
      this.#world.after(lastsMs, () => this.#world.isOpen && network.setWeather(profile.weather));
    },
  };

  #crash(host: Host, kind: 'kill' | 'power-cut', downMs: number): void {
    host.crash(kind, this.#world.random.below(host.pendingWrites + 1));
    this.#world.after(downMs, () => host.start());
  }

  /**
   * What was committed survives the loss of one disk, if that member is replaced before the next is lost: so only where an
   * operator is at work, and only when all are well and have all that is committed. What was durable there counts as
   * durable: it was, when it was acknowledged.
   */
  #loseDisk(host: Host): void {
    const { hosts, profile } = this.#world;
    if (!host.isUp || profile.operateEveryMs === undefined || !hosts.every(({ isUp }) => isUp)) return;
    const leader = this.#leader();
    const status = leader?.node?.status();
    const members = leader?.node?.confState;
    if (leader === undefined || status === undefined || members === undefined || leader === host) return;
    const { voters, votersOutgoing } = members;
    const livingVoters = hosts.filter(({ nodeId }) => voters.includes(nodeId));
    const areAllWell = livingVoters.length === voters.length && votersOutgoing.length === 0 && voters.length >= 3;
    const isBehind = livingVoters.some(({ node }) => (node?.outline().commitIndex ?? 0) < status.commitIndex);
    // A removal that is on its way counted on this voter.
    const isAtRest =
      this.#world.changeAgoMs >= CHANGE_OVER_MS &&
      !leader.isPaused &&
      this.#world.oracle.lastOf(leader.nodeId) === status.commitIndex;
    if (!areAllWell || isBehind || !isAtRest) return;
    host.loseDisk();
    this.#world.after(1_000, () => host.start());
  }

  /** Much that will never be committed: what others know nothing of must go again, as long as it is. */
  #flood({ node }: Host): void {
    const count = this.#world.random.below(FLOOD_MAX);
    const command = encodeKvCommand({ kind: 'put', key: FLOOD_KEY, value: '' });
    for (let i = 0; i < count; i += 1) node?.propose(command).catch(() => {});
  }

  #divide(here: readonly string[], there: readonly string[], lastsMs: number): void {
    for (const a of here) {
      for (const b of there) {
        this.#world.network.cut(a, b);
        this.#world.network.cut(b, a);
      }
    }
    this.#world.coverage.add('partitions');
    this.#mendAfter(lastsMs);
  }

  #mendAfter(lastsMs: number): void {
    this.#world.after(lastsMs, () => this.#world.network.mend());
  }

  /** As often as not, whoever leads. */
  #leaderOr(host: Host): Host {
    return this.#world.random.happens(0.5) ? (this.#leader() ?? host) : host;
  }

  #leader(): Host | undefined {
    const leaders = this.#world.hosts.filter(({ node }) => node?.outline().state === 'Leader');
    return leaders.sort((a, b) => (b.node?.outline().term ?? 0) - (a.node?.outline().term ?? 0))[0];
  }
}
