/**
 * All ready tasks, highest rank first, a page at a time.
 *
 * The store pages by (priority descending, created_at, id). Within one priority that is the order of age, so merging
 * the priorities by rank gives the exact order with ageing, though only a page of each is in memory. A reader of a
 * lower priority starts at a key before its first row, so that an aged task is found behind any backlog above it.
 * Nothing is remembered between scans: each begins at the first ready row.
 */
import type { ReadyTask, SchedulingStore } from '../../store/types.ts';
import type { SchedulingPolicy } from './policy.ts';

const PRIORITY_MAX = 9;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

export interface ReadyScanOptions {
  readonly store: Pick<SchedulingStore, 'readyTasks'>;
  readonly rank: SchedulingPolicy['rank'];
  readonly nowMs: number;
  readonly pageRows?: number;
}

/** The rows of one priority, or of all that is left when nothing lies below. */
interface Lane {
  readonly priority: number;
  rows: ReadyTask[];
  /** Where the next page starts; undefined when the lane has no further page. */
  after: ReadyTask | undefined;
}

export async function* scanReady(options: ReadyScanOptions): AsyncGenerator<ReadyTask> {
  const pageRows = options.pageRows ?? 256;
  const lanes: Lane[] = [];
  // Open lanes from the top; each page may hold rows of several priorities, so only the last of them stays open.
  let after: ReadyTask | undefined;
  for (let more = true; more; ) {
    const page = await options.store.readyTasks(after, pageRows);
    more = page.length >= pageRows;
    for (const row of page) laneFor(lanes, row).rows.push(row);
    const last = page.at(-1);
    if (last === undefined || !more) break;
    laneFor(lanes, last).after = last;
    if (last.priority <= 0) break;
    after = beforeFirst(last, Math.min(last.priority - 1, PRIORITY_MAX));
  }
  for (;;) {
    const lane = highest(lanes, options);
    if (lane === undefined) return;
    const row = lane.rows.shift();
    if (row !== undefined) yield row;
    if (lane.rows.length === 0 && lane.after !== undefined) await refill(lane, options.store, pageRows);
  }
}

function laneFor(lanes: Lane[], row: ReadyTask): Lane {
  const known = lanes.find((lane) => lane.priority === row.priority);
  if (known !== undefined) return known;
  const lane: Lane = { priority: row.priority, rows: [], after: undefined };
  lanes.push(lane);
  return lane;
}

/** A key that sorts before every row of `priority`. */
const beforeFirst = (row: ReadyTask, priority: number): ReadyTask => ({
  ...row,
  id: FIRST_ID,
  priority,
  createdAt: new Date(0),
});

function highest(lanes: readonly Lane[], { rank, nowMs }: ReadyScanOptions): Lane | undefined {
  let best: Lane | undefined;
  let bestRank = Number.NEGATIVE_INFINITY;
  for (const lane of lanes) {
    const head = lane.rows[0];
    if (head === undefined) continue;
    const headRank = rank(head.priority, head.createdAt.getTime(), nowMs);
    if (headRank > bestRank) {
      best = lane;
      bestRank = headRank;
    }
  }
  return best;
}

async function refill(lane: Lane, store: ReadyScanOptions['store'], pageRows: number): Promise<void> {
  const after = lane.after;
  const page = await store.readyTasks(after, pageRows);
  lane.rows = page.filter((row) => row.priority === lane.priority && row.id !== after?.id);
  const last = lane.rows.at(-1);
  // A page that ran into the next priority, ended short, or brought nothing new was the lane's last.
  lane.after = page.length >= pageRows && last !== undefined && last === page.at(-1) ? last : undefined;
}
