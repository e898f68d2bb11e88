/**
 * Up to where the ready tasks of each priority were taken, so that the next pass begins behind them.
 *
 * PostgreSQL leaves a row that was taken in its index until a vacuum; a pass that began at the first would walk over
 * all that was leased since. A mark is a shortcut and never the truth: a task can come to stand before it, because it
 * is to be tried again, or because its insert was slow. So the scheduler clears the marks at each poll and when it
 * knows of a retry; what stands before a mark waits for that, and no longer.
 */
import { READY_FROM_START, type ReadyKey } from '../../store/types.ts';

/**
 * A pass begins at least so long before the newest task seen, by the database's clock: the time of a task is that of
 * the beginning of its insert, which can be visible only after later ones. Inserts take milliseconds; a slower one is
 * found at the poll. More would cost each pass a page of the table for every task taken within that time, whenever
 * an ANALYZE keeps PostgreSQL from forgetting their dead rows.
 */
export const MARK_LAG_MS = 500;

export class ReadyMarks {
  readonly #marks = new Map<number, ReadyKey>();
  /** The task of each priority that was shown last and not taken yet. */
  readonly #open = new Map<number, string>();
  /** Something was left behind: the mark of this priority stays, for this pass. */
  readonly #left = new Set<number>();
  #newestMs = 0;
  #cleared = false;

  /** Where a pass that begins now begins, for each priority. */
  begin(): readonly ReadyKey[] {
    this.#open.clear();
    this.#left.clear();
    this.#cleared = false;
    const latest = new Date(Math.max(0, this.#newestMs - MARK_LAG_MS));
    return READY_FROM_START.map((start) => {
      const mark = this.#marks.get(start.priority);
      if (mark === undefined) return start;
      return mark.createdAt <= latest ? mark : { ...start, createdAt: latest };
    });
  }

  /** The pass came to this task; those of one priority come in their order. */
  saw({ priority, createdAt, id }: ReadyKey): void {
    if (this.#open.has(priority)) this.#left.add(priority);
    this.#open.set(priority, id);
    this.#newestMs = Math.max(this.#newestMs, createdAt.getTime());
  }

  /** The task that was seen last is leased, or has ended. */
  took({ priority, createdAt, id }: ReadyKey): void {
    this.#open.delete(priority);
    if (this.#cleared || this.#left.has(priority)) return;
    this.#marks.set(priority, { priority, createdAt, id });
  }

  /** The next pass begins at the first tasks again; a pass that is running sets no more marks. */
  clear(): void {
    this.#marks.clear();
    this.#cleared = true;
  }
}
