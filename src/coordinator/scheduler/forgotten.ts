/**
 * Which tasks the state forgot while rows were being read.
 *
 * A row read before a task was forgotten may be older than the task's end; leasing by it would start a finished task
 * anew. So a reader opens a window before it asks the database, and trusts no row of a task forgotten since.
 */
export class ForgottenTasks {
  readonly #windows = new Set<Set<string>>();

  note(taskIds: readonly string[]): void {
    for (const window of this.#windows) for (const id of taskIds) window.add(id);
  }

  open(): { has(taskId: string): boolean; close(): void } {
    const window = new Set<string>();
    this.#windows.add(window);
    return {
      has: (taskId) => window.has(taskId),
      close: () => {
        this.#windows.delete(window);
      },
    };
  }
}
