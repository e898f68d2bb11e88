/** What runs a prover's tasks: threads, or the caller's own. */
import type { ZkraftError } from '../../common/index.ts';

export interface RunTaskOptions {
  readonly signal?: AbortSignal | undefined;
  /** From the call on, waiting included. */
  readonly timeoutMs: number;
  /** It is part of work that was accepted already: the queue's limit does not apply. */
  readonly accepted?: boolean | undefined;
  readonly onEvent?: ((event: unknown) => void) | undefined;
  /** Called when the task is taken up, with the time it waited; what it throws ends the task. */
  readonly onStart?: ((queueMs: number) => void) | undefined;
  /**
   * Called once when nothing of the task runs any more: with its end, or, where it was aborted in a thread, when that
   * thread is gone. Until then it may write to the memory that it was given.
   */
  readonly onReleased?: (() => void) | undefined;
}

export interface TaskExecutor<Task> {
  /** At once; 0 when it is the caller's thread. */
  readonly threads: number;
  readonly waiting: number;
  readonly running: number;
  /** The task's answer, or its ZkraftError. */
  run(task: Task, options: RunTaskOptions): Promise<unknown>;
  close(): Promise<void>;
}

/** How a task ends. */
export type TaskEnd = { readonly ok: unknown } | { readonly error: ZkraftError };
