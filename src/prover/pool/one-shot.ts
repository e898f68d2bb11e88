/**
 * One job in a thread of its own: for what is long, rare and must not share a proving thread (compiling a circuit,
 * making or checking a key).
 *
 * A job is an exported async function of some module, named by URL and export, taking (args, context). Arguments and
 * result cross by structured clone; byte arrays at the top level of the result are moved. Aborting or timing out
 * terminates the thread; whatever the job was writing must therefore be harmless when half done.
 */
import { Worker } from 'node:worker_threads';
import { type ErrorJson, ZkraftError } from '../../common/index.ts';
import { siblingModule, threadExecArgv } from './thread-files.ts';

export interface JobContext {
  /** Sends something to the `onProgress` of whoever waits. */
  progress(report: unknown): void;
}

export interface JobOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  readonly onProgress?: (report: unknown) => void;
}

export type JobMessage =
  | { readonly kind: 'progress'; readonly report: unknown }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: ErrorJson };

export interface JobOrder {
  readonly moduleUrl: string;
  readonly exportName: string;
  readonly args: unknown;
}

/** Set-ups of big circuits are long; nothing takes an hour that is not stuck. */
const JOB_TIMEOUT_MS = 3_600_000;

/**
 * Runs `exportName` of `moduleUrl` in a new thread. Rejects with the job's own ZkraftError, or `cancelled` (aborted),
 * `prover_timeout`, `prover_crashed`. `parse` turns the untyped result into what the caller expects.
 */
export function runInThread<Result>(
  order: JobOrder,
  parse: (result: unknown) => Result,
  options: JobOptions = {},
): Promise<Result> {
  const { signal, onProgress, timeoutMs = JOB_TIMEOUT_MS } = options;
  return new Promise<Result>((resolve, reject) => {
    if (signal?.aborted) {
      reject(new ZkraftError('cancelled', `${order.exportName} was cancelled before it began`));
      return;
    }
    const file = siblingModule(import.meta.url, 'job-thread');
    const worker = new Worker(file, { workerData: order, execArgv: threadExecArgv(file) });
    let settled = false;
    const settle = (finish: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      // The promise settles when the thread is gone, so that nobody outlives his job.
      worker.terminate().then(finish, finish);
    };
    const fail = (error: ZkraftError): void => settle(() => reject(error));
    const onAbort = (): void => fail(new ZkraftError('cancelled', `${order.exportName} was cancelled`));
    const timer = setTimeout(
      () => fail(new ZkraftError('prover_timeout', `${order.exportName} took longer than ${timeoutMs} ms`)),
      timeoutMs,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    worker.on('message', (message: JobMessage) => {
      if (settled) return;
      if (message.kind === 'progress') onProgress?.(message.report);
      else if (message.kind === 'failed') fail(ZkraftError.fromJSON(message.error));
      else
        settle(() => {
          try {
            resolve(parse(message.result));
          } catch (error) {
            reject(ZkraftError.from(error));
          }
        });
    });
    worker.on('error', (error: Error) =>
      fail(new ZkraftError('prover_crashed', `the thread of ${order.exportName} died: ${error.message}`)),
    );
    worker.on('exit', (code) =>
      fail(new ZkraftError('prover_crashed', `the thread of ${order.exportName} ended with code ${code}`)),
    );
  });
}
