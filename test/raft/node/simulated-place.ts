/** A node's place on a disk in memory, whose syncs wait for the test. */
import type { Incarnation, NodePlace, OpenPlace } from '../../../src/raft/node/place.ts';
import {
  createLog,
  type DiskStallWatch,
  holdsLog,
  type OpenLogOptions,
  openLog,
  SimulatedDisk,
  SimulatedFolder,
  SnapshotStore,
} from '../../../src/raft/storage/index.ts';
import type { ConfState } from '../../../src/raft/types.ts';

let minted = 0;

type SimulatedPlaceOptions = Pick<OpenLogOptions, 'residentBytesMax' | 'windowBytesMax'>;

export class SimulatedPlace implements NodePlace {
  readonly where = 'a simulated place';
  readonly disk = new SimulatedDisk({ autoSync: true });
  readonly folder = new SimulatedFolder({ autoSync: true });
  readonly #nodeName: string;
  readonly #stallWatch: DiskStallWatch;
  readonly #incarnation: Incarnation;
  readonly #more: SimulatedPlaceOptions;

  constructor(nodeName: string, stallWatch: DiskStallWatch, more: SimulatedPlaceOptions = {}) {
    this.#more = more;
    minted += 1;
    this.#nodeName = nodeName;
    this.#stallWatch = stallWatch;
    this.#incarnation = { nodeId: 1_000 + minted, incarnationId: `incarnation-${minted}` };
  }

  async open(): Promise<OpenPlace | undefined> {
    if (!(await holdsLog(this.disk))) return undefined;
    return this.#opened(
      await openLog(this.disk, { nodeName: this.#nodeName, stallWatch: this.#stallWatch, ...this.#more }),
    );
  }

  async incarnation(): Promise<Incarnation> {
    return this.#incarnation;
  }

  async create(clusterId: string, { nodeId, incarnationId }: Incarnation, confState: ConfState): Promise<OpenPlace> {
    const identity = { clusterId, nodeName: this.#nodeName, nodeId, incarnationId };
    return this.#opened(
      await createLog(this.disk, { identity, confState, stallWatch: this.#stallWatch, ...this.#more }),
    );
  }

  async #opened(log: OpenPlace['log']): Promise<OpenPlace> {
    const store = new SnapshotStore(this.folder, { clusterId: log.identity.clusterId });
    await store.open();
    return { log, store };
  }
}
