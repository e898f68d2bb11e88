/**
 * Finds rows that the database shows under a lease of which the state knows nothing, and sends them through the one
 * retry function.
 *
 * That happens when the database was restored from a backup, or the log was started afresh: without this such a task
 * would be leased for ever. Run once when a leader begins, and now and then after.
 */
import type { Logger } from '../../common/index.ts';
import type { SchedulingStore } from '../../store/types.ts';
import type { Replica } from '../replica.ts';
import type { ForgottenTasks } from '../scheduler/index.ts';
import type { RetryRule } from '../state/index.ts';

export interface ReconcileOptions {
  readonly replica: Replica;
  readonly store: Pick<SchedulingStore, 'leasedTasks'>;
  readonly forgotten: ForgottenTasks;
  readonly retry: RetryRule;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const PAGE_ROWS = 256;

/** Returns how many orphans there were. */
export async function reconcileOrphans(options: ReconcileOptions): Promise<number> {
  const { replica, store, forgotten, retry, logger, signal } = options;
  let orphans = 0;
  const window = forgotten.open();
  try {
    for (let after: string | undefined; !signal.aborted; ) {
      const page = await store.leasedTasks(after, PAGE_ROWS);
      for (const row of page) {
        if (replica.state.tasks.has(row.id) || window.has(row.id)) continue;
        const { id: taskId, requestId, attempt } = row;
        await replica.propose({ kind: 'task_orphaned', taskId, requestId, retry, attempt });
        orphans += 1;
        logger.warn({ request_id: requestId, task_id: taskId, attempt }, 'lease known to the database alone; ended');
      }
      after = page.at(-1)?.id;
      if (page.length < PAGE_ROWS || after === undefined) break;
    }
  } finally {
    window.close();
  }
  return orphans;
}
