/**
 * All ready tasks, highest rank first, a page at a time.
 *
 * The store gives the tasks of each priority in the order of age. So merging the priorities by rank gives the exact
 * order with ageing, though only a page of each is in memory, and an aged task is found behind any backlog above it.
 * One query opens all of them; a priority whose page is used up is read on alone, by pages that grow: who comes so far
 * walks a backlog.
 */
import { READY_FROM_START, type ReadyKey, type ReadyTask, type SchedulingStore } from '../../store/types.ts';
import type { SchedulingPolicy } from './policy.ts';

export const PAGE_ROWS_MAX = 256;
const PAGE_GROWTH = 4;

export interface ReadyScanOptions {
  readonly store: Pick<SchedulingStore, 'readyTasks'>;
  readonly rank: SchedulingPolicy['rank'];
  readonly nowMs: number;
  /** Of the first page. */
  readonly pageRows?: number;
  /** Where each priority begins. Default: at its first task. */
  readonly from?: readonly ReadyKey[];
}

/** The tasks of one priority. */
interface Lane {
  readonly priority: number;
  rows: readonly ReadyTask[];
  /** How many of `rows` were yielded. */
  used: number;
  /** Asked for when the rows were read. */
  pageRows: number;
  /** Where the next page starts; undefined when there is no further page. */
  after: ReadyKey | undefined;
}

export async function* scanReady(options: ReadyScanOptions): AsyncGenerator<ReadyTask> {
  const { store, pageRows = PAGE_ROWS_MAX, from = READY_FROM_START } = options;
  const lanes = from.map((key): Lane => ({ priority: key.priority, rows: [], used: 0, pageRows, after: key }));
  const first = await store.readyTasks(from, pageRows);
  for (const lane of lanes) fill(lane, first);
  for (;;) {
    const lane = highest(lanes, options);
    const row = lane?.rows[lane.used];
    if (lane === undefined || row === undefined) return;
    lane.used += 1;
    yield row;
    if (lane.used < lane.rows.length || lane.after === undefined) continue;
    lane.pageRows = Math.max(lane.pageRows, Math.min(PAGE_ROWS_MAX, lane.pageRows * PAGE_GROWTH));
    fill(lane, await store.readyTasks([lane.after], lane.pageRows));
  }
}

/** Takes the lane's tasks out of what was read; a page that is not full was its last. */
function fill(lane: Lane, page: readonly ReadyTask[]): void {
  lane.rows = page.filter((row) => row.priority === lane.priority);
  lane.used = 0;
  lane.after = lane.rows.length >= lane.pageRows ? lane.rows.at(-1) : undefined;
}

function highest(lanes: readonly Lane[], { rank, nowMs }: ReadyScanOptions): Lane | undefined {
  let best: Lane | undefined;
  let bestRank = Number.NEGATIVE_INFINITY;
  for (const lane of lanes) {
    const head = lane.rows[lane.used];
    if (head === undefined) continue;
    const headRank = rank(head.priority, head.createdAt.getTime(), nowMs);
    if (headRank > bestRank) {
      best = lane;
      bestRank = headRank;
    }
  }
  return best;
}
