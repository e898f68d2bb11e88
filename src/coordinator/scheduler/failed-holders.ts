/**
 * Which workers have lost or failed which task, so that its next attempt goes to another.
 *
 * Without it one worker that fails all that it is given, or holds it until time runs out, is free again first and gets
 * the same task again, until its attempts are used up. Memory of the leader, and bounded: a new leader begins anew, and
 * of very many tasks the one that failed longest ago is forgotten; both cost an attempt at most.
 */
const TASKS_MAX = 10_000;
const NOBODY: ReadonlySet<string> = new Set();

export class FailedHolders {
  readonly #tasksMax: number;
  // In order of the last failure, the oldest first.
  readonly #byTask = new Map<string, Set<string>>();

  constructor(tasksMax = TASKS_MAX) {
    this.#tasksMax = tasksMax;
  }

  note(taskId: string, workerId: string): void {
    const workers = this.#byTask.get(taskId) ?? new Set();
    workers.add(workerId);
    this.#byTask.delete(taskId);
    this.#byTask.set(taskId, workers);
    if (this.#byTask.size <= this.#tasksMax) return;
    const oldest = this.#byTask.keys().next();
    if (!oldest.done) this.#byTask.delete(oldest.value);
  }

  /** The task has ended. */
  forget(taskId: string): void {
    this.#byTask.delete(taskId);
  }

  of(taskId: string): ReadonlySet<string> {
    return this.#byTask.get(taskId) ?? NOBODY;
  }
}
