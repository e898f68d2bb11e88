/**
 * A machine of the simulated world: the life of one node's process on it. It starts, is paused, crashes, starts again; its
 * disk takes time, stalls, fails, or is lost.
 *
 * Whatever a process set going dies with it: each start is a run of its own, and what belongs to an earlier one is passed
 * over. What comes while a process is paused waits, in order, until it goes on.
 */
import type { ZkraftError } from '../../common/index.ts';
import { silentLogger } from '../../common/logging/index.ts';
import { kvResultCodec } from '../kv/index.ts';
import { PROPOSAL_LIMITS, RaftNode, type Runtime } from '../node/index.ts';
import { DiskStallWatch } from '../storage/index.ts';
import type { Coverage } from './coverage.ts';
import { WatchedMachine } from './machine.ts';
import type { Network } from './network.ts';
import type { Oracle } from './oracle.ts';
import { SimulatedPlace } from './place.ts';
import type { Profile } from './profile.ts';
import type { Random } from './random.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** What all hosts of a world share. */
export interface HostWorld {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly trace: Trace;
  readonly oracle: Oracle;
  readonly coverage: Coverage;
  readonly network: Network;
  readonly profile: Profile;
  /** An event of this host has run; its disk and its node are looked at after it. */
  touched(host: Host): void;
  /** Shows its node, as it is now, to the oracle. */
  look(host: Host): void;
  /** For a new incarnation. */
  mintNodeId(): number;
}

/** A stalled disk may be healed before its time. */
const LOOK_AT_STALL_MS = 200;

export type CrashKind = 'kill' | 'power-cut';

export class Host {
  readonly name: string;
  readonly #world: HostWorld;
  /** How fast its clock goes. */
  readonly #rate: number;
  #place: SimulatedPlace;
  #node: RaftNode<string> | undefined;
  #machine: WatchedMachine | undefined;
  #run = 0;
  #isUp = false;
  #isPaused = false;
  #held: (() => void)[] = [];
  #isSyncDue = false;
  #isFolderSyncDue = false;
  /** Until then the disk answers nothing. */
  #stalledUntilMs = 0;
  #diskFails = false;
  #bootstraps: boolean;

  constructor(name: string, world: HostWorld, bootstraps: boolean) {
    this.name = name;
    this.#world = world;
    this.#bootstraps = bootstraps;
    const { random, profile } = world;
    this.#rate = 1 + random.between(-profile.clockDrift, profile.clockDrift);
    this.#place = this.#newPlace();
  }

  get node(): RaftNode<string> | undefined {
    return this.#isUp ? this.#node : undefined;
  }

  get machine(): WatchedMachine | undefined {
    return this.#isUp ? this.#machine : undefined;
  }

  get nodeId(): number {
    return this.#place.nodeId;
  }

  /** Another number after each start and each crash. */
  get run(): number {
    return this.#run;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Work of the process that runs now, whenever it comes; passed over when that is no more. */
  inRun(work: () => void): () => void {
    const run = this.#run;
    const guarded = (): void => {
      if (this.#run !== run) return;
      if (this.#isPaused) {
        this.#held.push(guarded);
        return;
      }
      this.#world.touched(this);
      work();
    };
    return guarded;
  }

  // Life.

  start(): void {
    if (this.#isUp) return;
    this.#run += 1;
    this.#isUp = true;
    // Whatever the process before left undone after its end was never done.
    this.#place.disk.crash();
    this.#place.folder.crash();
    this.#world.trace.add('start', this.name, this.nodeId);
    this.#world.touched(this);
    void this.#boot(this.#run);
  }

  /** `kept`: how many of the writes that were not synced reached the platter all the same. */
  crash(kind: CrashKind, kept: number): void {
    if (!this.#isUp) return;
    const { trace, coverage } = this.#world;
    const { disk, folder } = this.#place;
    trace.add('crash', this.name, kind, kept);
    coverage.add(kind === 'kill' ? 'crashes' : 'powerCuts');
    if (disk.pendingWrites > 0) coverage.add('restartsInAppend');
    if (kept > 0 && disk.pendingWrites > 0) coverage.add('tornTails');
    this.#end();
    disk.crash({ kept, keepsMark: kind === 'kill' });
    folder.crash({ keepsNames: kind === 'kill' });
  }

  get pendingWrites(): number {
    return this.#place.disk.pendingWrites;
  }

  pause(durationMs: number): void {
    if (!this.#isUp || this.#isPaused) return;
    this.#world.trace.add('pause', this.name, durationMs);
    this.#world.coverage.add('pauses');
    this.#isPaused = true;
    const run = this.#run;
    this.#world.timeline.after(durationMs, () => {
      if (this.#run === run) this.resume();
    });
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    for (const work of this.#held.splice(0)) this.#world.timeline.after(0, work);
  }

  /** The process is gone, and all that it knew; it will come back as another incarnation. */
  loseDisk(): void {
    const { trace, coverage } = this.#world;
    trace.add('lose-disk', this.name);
    coverage.add('disksLost');
    this.#end();
    this.#place = this.#newPlace();
    this.#bootstraps = false;
  }

  stallDisk(durationMs: number): void {
    this.#world.trace.add('stall', this.name, durationMs);
    this.#world.coverage.add('syncStalls');
    this.#stalledUntilMs = this.#world.timeline.nowMs + durationMs;
  }

  /** The next sync fails. The process ends of it. */
  failDisk(): void {
    if (!this.#isUp) return;
    this.#world.trace.add('fail-disk', this.name);
    this.#diskFails = true;
    this.#place.disk.failNext(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' }));
  }

  /** All that ails it is over, but for its being down. */
  heal(): void {
    this.#stalledUntilMs = 0;
    this.#diskFails = false;
    this.#place.disk.failNext(undefined);
    this.resume();
  }

  /** After an event of this host: what waits for the disk gets its answer in time. */
  serveDisk(): void {
    if (!this.#isUp) return;
    const { disk, folder } = this.#place;
    if (disk.pendingWrites > 0 && !this.#isSyncDue) {
      this.#isSyncDue = true;
      this.#whenDiskAnswers(() => {
        this.#isSyncDue = false;
        this.#world.trace.add('sync', this.name);
        disk.sync(1);
      });
    }
    if (folder.pendingSyncs > 0 && !this.#isFolderSyncDue) {
      this.#isFolderSyncDue = true;
      this.#whenDiskAnswers(() => {
        this.#isFolderSyncDue = false;
        folder.complete(1);
      });
    }
  }

  #whenDiskAnswers(work: () => void): void {
    const { timeline, random, profile } = this.#world;
    const answer = this.inRun(work);
    const look = (): void => {
      if (timeline.nowMs < this.#stalledUntilMs) timeline.after(LOOK_AT_STALL_MS, look);
      else answer();
    };
    timeline.after(random.exponential(profile.syncMs), look);
  }

  #end(): void {
    this.#world.look(this);
    this.#run += 1;
    this.#isUp = false;
    this.#isPaused = false;
    this.#held = [];
    this.#isSyncDue = false;
    this.#isFolderSyncDue = false;
    this.#diskFails = false;
    this.#node = undefined;
    this.#machine = undefined;
    this.#world.network.gone(this);
  }

  async #boot(run: number): Promise<void> {
    const { network, profile, oracle } = this.#world;
    const runtime = this.#runtime();
    const { electionTimeoutMs } = profile;
    const stall = new DiskStallWatch({ electionTimeoutMs, now: runtime.now });
    this.#place.stallWatch = stall;
    const { nodeId } = this;
    const machine = new WatchedMachine({
      applies: (entry, chain) => oracle.applies(nodeId, entry, chain),
      restores: (index, chain) => oracle.restores(nodeId, index, chain),
    });
    const node = new RaftNode<string>({
      name: this.name,
      raftAddress: this.name,
      clientAddress: `${this.name}:clients`,
      place: this.#place,
      bootstrap: this.#bootstraps,
      connect: async (transportHost) => network.connect(this, transportHost),
      heartbeatTimeoutMs: electionTimeoutMs,
      electionTimeoutMs,
      snapshots: profile.snapshots,
      proposals: PROPOSAL_LIMITS,
      membership: profile.membership,
      maxMessageBytes: profile.maxMessageBytes,
      maxAppendEntries: profile.maxAppendEntries,
      commitTimeoutMs: profile.commitTimeoutMs,
      stall,
      freeSpace: undefined,
      codec: kvResultCodec,
      runtime,
      observer: {},
      logger: silentLogger,
      onFatal: (error) => this.#fatal(run, error),
    });
    try {
      await node.open();
      if (this.#run !== run) return;
      this.#node = node;
      this.#machine = machine;
      await node.start(machine);
    } catch (error) {
      this.#fatal(run, error as ZkraftError);
    }
  }

  /** A node ends by itself when its disk fails, and for no other reason. */
  #fatal(run: number, error: ZkraftError): void {
    if (this.#run !== run) return;
    const { trace, oracle, coverage, timeline, random } = this.#world;
    trace.add('fatal', this.name, error.code ?? error.name);
    const isExpected = error.code === 'log_write_failed' && (this.#diskFails || error.message.includes('not answered'));
    if (!isExpected) {
      oracle.violated(
        'no-fault',
        `node ${this.nodeId} (${this.name}) ended by itself: ${error.stack ?? error.message}`,
      );
      return;
    }
    if (this.#diskFails) coverage.add('syncErrors');
    const kept = random.below(this.pendingWrites + 1);
    this.#end();
    this.#place.disk.crash({ kept, keepsMark: true });
    this.#place.folder.crash({ keepsNames: true });
    timeline.after(random.exponential(1_000), () => this.start());
  }

  #newPlace(): SimulatedPlace {
    const nodeId = this.#world.mintNodeId();
    const { oracle, coverage } = this.#world;
    return new SimulatedPlace({
      nodeName: this.name,
      incarnation: { nodeId, incarnationId: `incarnation-${nodeId}` },
      oracle,
      coverage,
    });
  }

  #runtime(): Runtime {
    const { timeline, random } = this.#world;
    const rate = this.#rate;
    return {
      now: () => timeline.nowMs * rate,
      random: () => random.unit(),
      defer: (work) => void timeline.after(0, this.inRun(work)),
      after: (delayMs, work) => timeline.after(delayMs / rate, this.inRun(work)),
    };
  }
}
