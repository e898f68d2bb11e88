/** The log of a coordinator that is alone: in a folder, or on a disk in memory that outlives it and can be made to fail. */
import type { CoordinatorOptions, LogHost, StateEvent } from '../../src/coordinator/index.ts';
import {
  createRaftMetrics,
  type OpenNodeOptions,
  openRaftNode,
  type RaftNode,
  SNAPSHOT_POLICY,
  stayAlone,
} from '../../src/raft/index.ts';
import { MemoryNodePlace } from '../raft/node/memory-node.ts';

type OpenLog = CoordinatorOptions['openLog'];
type Result = readonly StateEvent[];

const NAME = 'n1';

/** Watched by the metrics of its host, as the real one is. */
function watched(host: LogHost, open: (metrics: ReturnType<typeof createRaftMetrics>) => Promise<RaftNode<Result>>) {
  const metrics = createRaftMetrics(host.registry);
  return open(metrics).then((node) => {
    metrics.watch(node);
    return node;
  });
}

export function folderLog(dir: string, more: Partial<OpenNodeOptions<Result>> = {}): OpenLog {
  return (host) =>
    watched(host, (metrics) =>
      openRaftNode<Result>({
        dir,
        name: NAME,
        raftAddress: '',
        clientAddress: host.clientAddress,
        bootstrap: true,
        connect: stayAlone,
        freeBytesMin: 0,
        observer: metrics.node,
        logger: host.logger,
        onFatal: () => {},
        ...more,
      }),
    );
}

export class MemoryLog {
  readonly place = new MemoryNodePlace();

  /** `clientAddress` is that of the host, unless it is given. */
  open(clientAddress?: string): OpenLog {
    return (host) =>
      watched(host, ({ node: observer }) =>
        this.place.open<Result>({
          clientAddress: clientAddress ?? host.clientAddress,
          snapshots: { ...SNAPSHOT_POLICY, threshold: 40 },
          observer,
          logger: host.logger,
        }),
      );
  }
}
