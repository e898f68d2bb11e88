/** A node that is alone on a disk in memory, which outlives it, can be looked at and can be made to fail. */
import { silentLogger } from '../../../src/common/logging/index.ts';
import {
  MEMBERSHIP_RULES,
  PROPOSAL_LIMITS,
  RaftNode,
  type RaftNodeOptions,
  SNAPSHOT_POLICY,
  stayAlone,
} from '../../../src/raft/node/index.ts';
import { systemRuntime } from '../../../src/raft/node/system-runtime.ts';
import { DiskStallWatch } from '../../../src/raft/storage/index.ts';
import { SimulatedPlace } from './simulated-place.ts';

const NAME = 'n1';
const TIMEOUT_MS = 1_000;

export class MemoryNodePlace {
  readonly #stall = new DiskStallWatch({ electionTimeoutMs: TIMEOUT_MS, now: systemRuntime.now });
  readonly #place = new SimulatedPlace(NAME, this.#stall);

  get disk() {
    return this.#place.disk;
  }

  async open<Result>(more: Partial<RaftNodeOptions<Result>> = {}): Promise<RaftNode<Result>> {
    const node = new RaftNode<Result>({
      name: NAME,
      raftAddress: '',
      clientAddress: '127.0.0.1:9090',
      place: this.#place,
      bootstrap: true,
      connect: stayAlone,
      heartbeatTimeoutMs: TIMEOUT_MS,
      electionTimeoutMs: TIMEOUT_MS,
      snapshots: SNAPSHOT_POLICY,
      proposals: PROPOSAL_LIMITS,
      membership: MEMBERSHIP_RULES,
      maxMessageBytes: 2 ** 20,
      maxAppendEntries: 64,
      commitTimeoutMs: 50,
      stall: this.#stall,
      freeSpace: undefined,
      codec: undefined,
      runtime: systemRuntime,
      observer: {},
      logger: silentLogger,
      onFatal: () => {},
      ...more,
    });
    await node.open();
    return node;
  }
}
