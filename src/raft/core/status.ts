/** What a core is at this moment, for operators, metrics and the host's own decisions. A copy: it does not change. */
import type { HardState, LogIndex, NodeId } from '../types.ts';
import type { Configuration } from './configuration.ts';
import type { Progress } from './progress.ts';
import type { Raft } from './raft.ts';
import type { SoftState } from './ready.ts';

export interface CoreStatus extends HardState, SoftState {
  readonly id: NodeId;
  readonly applied: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly transferee: NodeId;
  readonly configuration: Configuration;
  /** Of each member by its id; empty unless this node leads. */
  readonly progress: ReadonlyMap<NodeId, Progress>;
}

export function statusOf(raft: Raft): CoreStatus {
  const { log, tracker } = raft;
  const progress = new Map<NodeId, Progress>();
  if (raft.role === 'leader') for (const [id, known] of tracker.progress) progress.set(id, known.clone());
  return {
    ...raft.hardState,
    id: raft.id,
    lead: raft.lead,
    role: raft.role,
    applied: log.applied,
    firstIndex: log.firstIndex(),
    lastIndex: log.lastIndex(),
    transferee: raft.transferee,
    configuration: tracker.configuration,
    progress,
  };
}
