/**
 * The tasks this worker holds and has not finished: queued, then at most `concurrency` of them running.
 *
 * Proving is elsewhere, in threads; here is only who runs next, what ends a run early, and what is then said about it.
 * A run ends early for exactly one reason, kept on its AbortSignal: the coordinator took the task back (nothing is
 * reported), it took too long (`prover_timeout`), or the worker drains (`shutting_down`, so that another gets it).
 * A proof that is there all the same is reported unless the task was taken back. Every wait has a limit: a prover that
 * does not honour its signal loses its slot after `ABORT_GRACE_MS`.
 */
import { ZkraftError } from '../common/index.ts';
import type { Lease } from '../common/rpc/index.ts';
import type { CircuitArtifacts, ProveResult, Prover } from '../prover/types.ts';
import type { CheckedAssignment, CircuitName } from './assignment.ts';
import { type Clock, untilAborted } from './clock.ts';
import { leaseKey } from './lease.ts';
import type { Outcome, Stage } from './metrics.ts';

/** The prover promises to stop within a second. */
const ABORT_GRACE_MS = 5_000;

export interface Task extends CheckedAssignment {
  readonly lease: Lease;
  readonly requestId: string;
  /** From the moment it starts to run. */
  readonly timeoutMs: number;
}

/** How a run ended. `taken_back` says nothing to the coordinator, which knows. */
export type RunEnd =
  | { readonly kind: 'proved'; readonly result: ProveResult }
  | { readonly kind: 'failed'; readonly error: ZkraftError; readonly outcome: Outcome }
  | { readonly kind: 'taken_back'; readonly outcome: Outcome };

export interface TasksOptions {
  readonly concurrency: number;
  readonly queueMax: number;
  readonly prover: Prover;
  readonly circuit: (name: CircuitName, signal: AbortSignal) => Promise<CircuitArtifacts>;
  readonly clock: Clock;
  readonly onStart: (task: Task) => void;
  readonly onEnd: (task: Task, end: RunEnd) => void;
  readonly onStageMs: (stage: Stage, ms: number) => void;
}

/** Why a run was ended early; the reason on its signal. */
class EndedEarly extends Error {
  readonly end: RunEnd;

  constructor(end: RunEnd) {
    super(end.kind);
    this.end = end;
  }
}

interface Held {
  readonly task: Task;
  readonly abort: AbortController;
  running: boolean;
  /** Its circuit is here, and proving has begun. */
  started: boolean;
}

export class Tasks {
  readonly #options: TasksOptions;
  /** In order of arrival. */
  readonly #held = new Map<string, Held>();
  #running = 0;
  #draining = false;
  #idle: (() => void)[] = [];

  constructor(options: TasksOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#held.size - this.#running;
  }

  get isFull(): boolean {
    return this.queued >= this.#options.queueMax;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** It is held, and nobody was told yet that it is being proved. */
  isWaiting(key: string): boolean {
    return this.#held.get(key)?.started === false;
  }

  leases(): Lease[] {
    return [...this.#held.values()].map(({ task }) => task.lease);
  }

  add(task: Task): void {
    const key = leaseKey(task.lease);
    if (this.#held.has(key)) return;
    this.#held.set(key, { task, abort: new AbortController(), running: false, started: false });
    this.#next();
  }

  /** The coordinator has taken the task back. True if it was held here. */
  takeBack(key: string, outcome: 'cancelled' | 'dropped'): boolean {
    return this.#endEarly(key, { kind: 'taken_back', outcome });
  }

  /** Starts nothing more and gives back what has not begun. Resolves when nothing runs, or when `signal` fires. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    for (const [key, { running }] of [...this.#held]) if (!running) this.#handBack(key);
    while (this.#running > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** Gives back what still runs. */
  handBackAll(): void {
    this.#draining = true;
    for (const key of [...this.#held.keys()]) this.#handBack(key);
  }

  #handBack(key: string): void {
    const error = new ZkraftError('shutting_down', 'the worker is stopping and gave the task back');
    this.#endEarly(key, { kind: 'failed', error, outcome: 'handed_back' });
  }

  #endEarly(key: string, end: RunEnd): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    if (held.running) held.abort.abort(new EndedEarly(end));
    else this.#finish(key, held, end);
    return true;
  }

  #next(): void {
    if (this.#draining) return;
    for (const [key, held] of this.#held) {
      if (this.#running >= this.#options.concurrency) return;
      if (held.running) continue;
      held.running = true;
      this.#running += 1;
      void this.#run(held).then((end) => {
        this.#running -= 1;
        this.#finish(key, held, end);
        this.#next();
        if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
      });
    }
  }

  #finish(key: string, held: Held, end: RunEnd): void {
    // Reported before it is forgotten: at no moment is the lease in neither place.
    this.#options.onEnd(held.task, end);
    this.#held.delete(key);
  }

  /** Never rejects. */
  async #run(held: Held): Promise<RunEnd> {
    const { task, abort } = held;
    const { clock, circuit, prover, onStart, onStageMs } = this.#options;
    const error = new ZkraftError('prover_timeout', `not proved within ${task.timeoutMs} ms`);
    const cancelTimeout = clock.after(task.timeoutMs, () =>
      abort.abort(new EndedEarly({ kind: 'failed', error, outcome: 'timeout' })),
    );
    try {
      const beganMs = clock.nowMs();
      const artifacts = await circuit(task.circuit, abort.signal);
      onStageMs('fetch', clock.nowMs() - beganMs);
      held.started = true;
      onStart(task);
      const proving = prover.proveMerkle(artifacts, task.statement, { signal: abort.signal });
      const result = await this.#withGrace(proving, abort.signal);
      const early = abort.signal.reason;
      if (early instanceof EndedEarly && early.end.kind === 'taken_back') return early.end;
      return { kind: 'proved', result };
    } catch (thrown) {
      const early = abort.signal.reason;
      if (early instanceof EndedEarly) return early.end;
      return { kind: 'failed', error: failureOf(thrown), outcome: 'failed' };
    } finally {
      cancelTimeout();
    }
  }

  /** Waits for the proof, and for `ABORT_GRACE_MS` more once the signal has fired. */
  async #withGrace(proving: Promise<ProveResult>, signal: AbortSignal): Promise<ProveResult> {
    const overdue = new AbortController();
    let cancel: () => void = () => undefined;
    const begin = (): void => {
      cancel = this.#options.clock.after(ABORT_GRACE_MS, () => overdue.abort(signal.reason));
    };
    signal.addEventListener('abort', begin, { once: true });
    try {
      return await untilAborted(proving, overdue.signal);
    } finally {
      signal.removeEventListener('abort', begin);
      cancel();
    }
  }
}

/** What is said about a proof that failed by itself. */
function failureOf(thrown: unknown): ZkraftError {
  const error = ZkraftError.from(thrown);
  // Nobody here asked for it, so the fault is the prover's, and another try makes sense.
  if (error.code === 'prover_aborted') return new ZkraftError('prover_crashed', 'the prover gave the proof up');
  // The text of a stranger's error may quote what it worked on.
  if (error.code === 'internal' && !(thrown instanceof ZkraftError)) {
    return new ZkraftError('internal', 'a fault of ours in the worker; its log has more', { cause: thrown });
  }
  return error;
}
