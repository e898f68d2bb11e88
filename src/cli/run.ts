/**
 * The frame around every command: errors become a message and an exit code, and SIGINT becomes an AbortSignal.
 *
 * The exit code is that of the error table (see docs/reference/errors.md): 0 done, 1 failed, 2 wrong input, 3 the
 * proof does not verify, 4 something needed cannot be reached, 130 interrupted.
 */
import { ZkraftError } from '../common/index.ts';
import { Terminal } from './terminal.ts';

export interface CommandContext {
  readonly terminal: Terminal;
  /** Aborted at the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
}

/** Longer than any part takes to close: a worker finishes what it proves for up to 25 s. */
const STOP_MS_MAX = 60_000;

/** Whoever reads us may stop reading (`| head`): that is no failure. A full disk is one. */
function surviveClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') process.exitCode = 1;
    });
  }
}

/** Runs `body` and ends the process with its exit code (0 when it returns nothing). */
export async function run(
  json: boolean,
  body: (context: CommandContext) => Promise<number | undefined>,
): Promise<void> {
  const terminal = new Terminal(json);
  const abort = new AbortController();
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(130);
    abort.abort(new ZkraftError('cancelled', 'interrupted'));
    // Whatever does not end by then never will.
    setTimeout(() => process.exit(130), STOP_MS_MAX).unref();
  };
  surviveClosedOutput();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    process.exitCode = (await body({ terminal, signal: abort.signal })) ?? 0;
  } catch (thrown) {
    process.exitCode = report(terminal, ZkraftError.from(thrown));
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

export function report(terminal: Terminal, error: ZkraftError): number {
  if (terminal.json) process.stdout.write(`${JSON.stringify({ success: false, error: error.toJSON() }, null, 2)}\n`);
  else process.stderr.write(`zkraft: ${error.message} [${error.code}]\n`);
  // A fault of ours: its stack helps whoever reads the report.
  if (error.code === 'internal' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack}\n`);
  return error.row.exit;
}

/** Resolves when the process is asked to stop. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
