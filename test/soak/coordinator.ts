/** The coordinator's process as its parent sees it: started, measured, stopped, and never left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What the process has used. `collected` is there when it was told to collect garbage first. */
export interface Measurement {
  /** Of all its threads, since it began; before any collection. */
  readonly cpuMs: number;
  /** As it happened to be. */
  readonly rssBytes: number;
  readonly collected: Collected | undefined;
}

export interface Collected {
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
  /** Of the state as it is now. */
  readonly snapshotBytes: number;
  /** The largest since the last collection, those that the log made of itself included. */
  readonly snapshotBytesMax: number;
  readonly outbox: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  /** After all of this, so that the next difference leaves it out. */
  readonly cpuMs: number;
}

export type ToCoordinator =
  | { readonly kind: 'measure'; readonly id: number; readonly collect: boolean }
  | { readonly kind: 'stop' };

export type FromCoordinator =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'measured'; readonly id: number; readonly measurement: Measurement };

const READY_MS = 60_000;
const ANSWER_MS = 30_000;
const STOP_MS = 15_000;
const LOG_CHARS_MAX = 20_000;

export interface CoordinatorProcess {
  readonly port: number;
  measure(collect?: boolean): Promise<Measurement & { readonly collected: undefined }>;
  measure(collect: true): Promise<Measurement & { readonly collected: Collected }>;
  /** What it said on stderr: warnings and worse. */
  log(): string;
  stop(): Promise<void>;
}

/**
 * V8 lets its young generation grow to 16 MiB when it is needed, and never gives it back: some 45 MB in one step, at any
 * time. So it has them from the start; what grows after that is kept by somebody.
 */
const FULL_GROWN = '--min-semi-space-size=16';

/** `nodeFlags` go to Node: `--cpu-prof` for one who looks for waste. */
export async function startCoordinatorProcess(
  options: { connectionString: string; logDir: string },
  nodeFlags: readonly string[] = [],
): Promise<CoordinatorProcess> {
  const script = fileURLToPath(new URL('./coordinator-process.ts', import.meta.url));
  const args = ['--expose-gc', FULL_GROWN, ...nodeFlags, '--import', 'tsx', script, JSON.stringify(options)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-LOG_CHARS_MAX);
  });
  const waiting = new Map<number, (measurement: Measurement) => void>();
  const ready = new Promise<number>((resolve) => {
    child.on('message', (message: FromCoordinator) => {
      if (message.kind === 'ready') return resolve(message.port);
      waiting.get(message.id)?.(message.measurement);
      waiting.delete(message.id);
    });
  });
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`the coordinator ended (${signal ?? code}): ${said}`)));
  });
  // Its end is nobody's fault once it was asked for.
  gone.catch(() => {});
  let calls = 0;
  const measure = async (collect = false): Promise<Measurement> => {
    calls += 1;
    const id = calls;
    const answer = new Promise<Measurement>((resolve) => waiting.set(id, resolve));
    tell(child, { kind: 'measure', id, collect });
    return await within(Promise.race([answer, gone]), ANSWER_MS, 'the coordinator did not answer');
  };
  try {
    const port = await within(Promise.race([ready, gone]), READY_MS, 'the coordinator did not start');
    return {
      port,
      measure: measure as CoordinatorProcess['measure'],
      log: () => said,
      stop: () => stop(child, gone),
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

const tell = (child: ChildProcess, message: ToCoordinator): void => {
  if (child.connected) child.send(message);
};

async function stop(child: ChildProcess, gone: Promise<never>): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  tell(child, { kind: 'stop' });
  if (child.exitCode !== null || child.signalCode !== null) return clearTimeout(timer);
  await gone.catch(() => {});
  clearTimeout(timer);
}

async function within<T>(promise: Promise<T>, ms: number, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${otherwise} within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
