/**
 * The network of a simulated world: messages are lost, doubled, delayed and overtake one another; links are cut, one way
 * or both; snapshots travel on their own. Who is let in is decided by the node that hears, as with the real transport.
 */
import type { PeerMessage, SnapshotMessage } from '../core/index.ts';
import type { Member, NodeTransport, PeerIdentity, TransportHost } from '../node/index.ts';
import type { NodeId } from '../types.ts';
import type { Coverage } from './coverage.ts';
import type { Host } from './host.ts';
import type { Oracle } from './oracle.ts';
import type { Profile } from './profile.ts';
import type { Random } from './random.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export interface NetworkOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly trace: Trace;
  readonly oracle: Oracle;
  readonly coverage: Coverage;
  readonly profile: Profile;
}

/** One process on the network. */
interface Station {
  readonly host: Host;
  readonly transportHost: TransportHost;
  readonly run: number;
  members: readonly Member[];
  /** Peers that were met before the record names them. */
  readonly met: Map<NodeId, string>;
  /** Peers' runs that were let in, or are being looked at. */
  readonly admitted: Map<string, Promise<boolean> | 'let-in'>;
}

/** How bad it is at this time. */
export interface Weather {
  readonly lossProbability: number;
  readonly doubleProbability: number;
  readonly meanDelayMs: number;
  /** Of messages that take twenty times as long. */
  readonly straggleProbability: number;
}

const SNAPSHOT_LIMIT_MS = 10_000;

export class Network {
  readonly #options: NetworkOptions;
  /** By address. */
  readonly #stations = new Map<string, Station>();
  /** `from>to`, by address. */
  readonly #cut = new Set<string>();
  #weather: Weather;
  /** By link. */
  readonly #lastArrivalMs = new Map<string, number>();

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#weather = options.profile.weather;
  }

  // What befalls it.

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  mend(): void {
    this.#cut.clear();
  }

  setWeather(weather: Weather): void {
    this.#weather = weather;
  }

  gone(host: Host): void {
    const station = this.#stations.get(host.name);
    if (station?.host !== host) return;
    this.#stations.delete(host.name);
    for (const from of this.#stations.values()) this.#tellGone(from, host.name);
  }

  // What a node sees.

  connect(host: Host, transportHost: TransportHost): NodeTransport {
    const station: Station = {
      host,
      transportHost,
      run: host.run,
      members: [],
      met: new Map(),
      admitted: new Map(),
    };
    this.#stations.set(host.name, station);
    return {
      send: (message) => this.#send(station, message),
      sendSnapshot: (message) => this.#sendSnapshot(station, message),
      setMembers: (members) => {
        station.members = members;
      },
      identify: (address) => this.#identify(station, address),
      close: async () => this.gone(host),
    };
  }

  #send(from: Station, message: PeerMessage): void {
    if (from.host.run !== from.run) return;
    const { random, trace, oracle, coverage } = this.#options;
    oracle.sends(from.host.nodeId, message);
    const { index = 0 } = message as { index?: number };
    trace.add(message.type, message.from, message.to, message.term, index);
    const address = this.#addressOf(from, message.to);
    if (address === undefined || this.#isCut(from, address) || random.happens(this.#weather.lossProbability)) {
      coverage.add('messagesLost');
      if (random.happens(0.3)) this.#tellUnreachable(from, message.to);
      return;
    }
    const copies = random.happens(this.#weather.doubleProbability) ? 2 : 1;
    if (copies === 2) coverage.add('messagesDoubled');
    for (let i = 0; i < copies; i += 1) {
      this.#travel(from, address, (to) => {
        const admission = this.#admit(from, to, message.to);
        if (admission === 'let-in') to.transportHost.receive(message);
        else void admission.then((isIn) => isIn && to.transportHost.receive(message));
      });
    }
  }

  /** Runs `arrive` at the other end, some time from now, if somebody is there then. */
  #travel(from: Station, address: string, arrive: (to: Station) => void): void {
    const { timeline, random, coverage, profile } = this.#options;
    const { meanDelayMs, straggleProbability } = this.#weather;
    const link = `${from.host.name}>${address}`;
    let atMs = timeline.nowMs + random.exponential(meanDelayMs);
    if (random.happens(straggleProbability)) {
      coverage.add('messagesOvertaken');
      atMs += 20 * meanDelayMs;
    } else if (profile.isInOrder) {
      // As a stream does, as long as it is the same one.
      atMs = Math.max(atMs, this.#lastArrivalMs.get(link) ?? 0);
      this.#lastArrivalMs.set(link, atMs);
    }
    timeline.at(atMs, () => {
      const to = this.#stations.get(address);
      if (to === undefined) return;
      to.host.inRun(() => arrive(to))();
    });
  }

  /** Once for two processes: whether what the one says is heard by the other. */
  #admit(from: Station, to: Station, meant: NodeId): Promise<boolean> | 'let-in' {
    const key = `${from.host.name}/${from.run}`;
    const known = to.admitted.get(key);
    if (known !== undefined) return known;
    const identity = from.transportHost.identity();
    const admission = to.transportHost.admit(identity, meant).then(
      () => {
        to.met.set(identity.nodeId, from.host.name);
        to.admitted.set(key, 'let-in');
        return true;
      },
      () => {
        this.#options.coverage.add('peersRefused');
        to.admitted.delete(key);
        this.#tellUnreachable(from, meant);
        return false;
      },
    );
    to.admitted.set(key, admission);
    return admission;
  }

  #sendSnapshot(from: Station, message: SnapshotMessage): void {
    if (from.host.run !== from.run) return;
    const { random, timeline, trace, oracle } = this.#options;
    oracle.sends(from.host.nodeId, message);
    trace.add('snapshot', message.from, message.to, message.term, message.snapshot.metadata.index);
    const address = this.#addressOf(from, message.to);
    let isTold = false;
    const tell = (outcome: 'arrived' | 'failed'): void => {
      if (isTold) return;
      isTold = true;
      timeline.after(
        random.exponential(this.#weather.meanDelayMs),
        from.host.inRun(() => from.transportHost.snapshotSent(message.to, outcome)),
      );
    };
    timeline.after(
      SNAPSHOT_LIMIT_MS,
      from.host.inRun(() => tell('failed')),
    );
    if (address === undefined || this.#isCut(from, address) || random.happens(this.#weather.lossProbability)) {
      tell('failed');
      return;
    }
    const source = from.transportHost.snapshots();
    this.#travel(from, address, (to) => {
      void Promise.resolve(this.#admit(from, to, message.to))
        .then(async (isIn) => {
          const { metadata } = message.snapshot;
          const store = to.transportHost.snapshots();
          if (isIn === false || store === undefined || source === undefined) throw new Error('not let in');
          const writer = await store.create(metadata);
          for await (const chunk of source.read(metadata)) await writer.write(chunk);
          await writer.finish();
          to.transportHost.receive(message);
        })
        .then(
          () => tell('arrived'),
          () => tell('failed'),
        );
    });
  }

  #identify(from: Station, address: string): Promise<PeerIdentity> {
    const { timeline } = this.#options;
    return new Promise((resolve, reject) => {
      timeline.after(
        2 * this.#weather.meanDelayMs,
        from.host.inRun(() => {
          const to = this.#stations.get(address);
          if (to === undefined || this.#isCut(from, address)) reject(new Error(`nobody answers at ${address}`));
          else resolve(to.transportHost.identity());
        }),
      );
    });
  }

  #tellUnreachable(from: Station, nodeId: NodeId): void {
    const { timeline, random } = this.#options;
    timeline.after(
      random.exponential(this.#weather.meanDelayMs),
      from.host.inRun(() => from.transportHost.unreachable(nodeId)),
    );
  }

  /** As a link that is kept does, which finds nobody listening; it may be late, and wrong by then. */
  #tellGone(from: Station, address: string): void {
    const { timeline, random, coverage } = this.#options;
    const member = from.members.find(({ raftAddress }) => raftAddress === address);
    if (member === undefined || this.#isCut(from, address)) return;
    coverage.add('deathsTold');
    timeline.after(
      random.exponential(10 * this.#weather.meanDelayMs),
      from.host.inRun(() => from.transportHost.gone(member.nodeId)),
    );
  }

  #addressOf(from: Station, nodeId: NodeId): string | undefined {
    return from.members.find((member) => member.nodeId === nodeId)?.raftAddress ?? from.met.get(nodeId);
  }

  #isCut(from: Station, address: string): boolean {
    return this.#cut.has(`${from.host.name}>${address}`);
  }
}
