/** Where a simulated node lives: a disk and a folder that can crash, and what the oracle sees of them. */
import type { Incarnation, NodePlace, OpenPlace } from '../node/place.ts';
import {
  createLog,
  type DiskStallWatch,
  holdsLog,
  type LogStorage,
  openLog,
  SimulatedDisk,
  SimulatedFolder,
  SnapshotStore,
} from '../storage/index.ts';
import type { ConfState } from '../types.ts';
import type { Coverage } from './coverage.ts';
import type { Oracle } from './oracle.ts';

export interface SimulatedPlaceOptions {
  readonly nodeName: string;
  readonly incarnation: Incarnation;
  readonly oracle: Oracle;
  readonly coverage: Coverage;
}

export class SimulatedPlace implements NodePlace {
  readonly #options: SimulatedPlaceOptions;
  readonly disk: SimulatedDisk;
  readonly folder: SimulatedFolder;
  /** Of the run that is to come: set before each start. */
  stallWatch: DiskStallWatch | undefined;

  constructor(options: SimulatedPlaceOptions) {
    this.#options = options;
    this.disk = new SimulatedDisk({ where: this.where });
    this.folder = new SimulatedFolder({ where: this.where });
  }

  get where(): string {
    return `the disk of ${this.#options.nodeName}`;
  }

  get nodeId(): number {
    return this.#options.incarnation.nodeId;
  }

  async open(): Promise<OpenPlace | undefined> {
    if (!(await holdsLog(this.disk))) return undefined;
    const { nodeName } = this.#options;
    return await this.#opened(await openLog(this.disk, { nodeName, ...this.#watch() }));
  }

  async incarnation(): Promise<Incarnation> {
    return this.#options.incarnation;
  }

  async create(clusterId: string, { nodeId, incarnationId }: Incarnation, confState: ConfState): Promise<OpenPlace> {
    const identity = { clusterId, nodeName: this.#options.nodeName, nodeId, incarnationId };
    return await this.#opened(await createLog(this.disk, { identity, confState, ...this.#watch() }));
  }

  #watch(): { readonly stallWatch?: DiskStallWatch } {
    return this.stallWatch === undefined ? {} : { stallWatch: this.stallWatch };
  }

  async #opened(log: LogStorage): Promise<OpenPlace> {
    const { oracle, coverage } = this.#options;
    const store = new SnapshotStore(this.folder, { clusterId: log.identity.clusterId });
    await store.open();
    oracle.opened(this.nodeId, log);
    watch(log, this.nodeId, oracle, coverage);
    return { log, store };
  }
}

/** Tells the oracle of each write when it is durable, before the node hears of it. */
function watch(log: LogStorage, nodeId: number, oracle: Oracle, coverage: Coverage): void {
  const append = log.append.bind(log);
  const recordSnapshot = log.recordSnapshot.bind(log);
  const compact = log.compact.bind(log);
  log.append = async (write) => {
    await append(write);
    if (write.snapshot !== undefined) coverage.add('snapshotsInstalled');
    oracle.written(nodeId, write);
  };
  log.recordSnapshot = async (metadata) => {
    await recordSnapshot(metadata);
    coverage.add('snapshotsMade');
  };
  log.compact = async (to) => {
    await compact(to);
    coverage.add('compactions');
    oracle.compacted(nodeId, to);
  };
}
