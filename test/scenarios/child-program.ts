/**
 * The child processes of one scenario: started with their logs in files, spoken to by signals, never left behind.
 *
 * `Children` knows all that live and, once the scenario is over, starts no more: whatever is still under way then fails
 * at once instead of starting a part that nobody ends. A child that has children of its own (PostgreSQL's backends)
 * names them by `family`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../support/cli.ts';

const LOG_TAIL_CHARS = 2_000;
const ANSWER_LINES_MAX = 20;
const END_LIMIT_MS = 10_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProgramOptions {
  readonly name: string;
  /** Of Node. */
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Standard error is appended to it. */
  readonly logFile: string;
}

/** A line of standard output that is a JSON object. */
export type Said = Readonly<Record<string, unknown>>;

export class Children {
  readonly #living = new Set<ChildProgram>();
  #over = false;

  start(options: ProgramOptions): ChildProgram {
    if (this.#over) throw new Error(`the scenario is over; ${options.name} is not started`);
    const child = new ChildProgram(options);
    this.#living.add(child);
    void child.ended.then(() => this.#living.delete(child));
    return child;
  }

  /** Ends all at once, paused ones too, and for good. Waits for nothing, so it can run when this process exits. */
  killAll(): void {
    this.#over = true;
    for (const child of this.#living) child.signal('SIGKILL');
  }

  /** The same, and waits until they are gone. */
  async endAll(): Promise<void> {
    this.killAll();
    await Promise.all([...this.#living].map((child) => child.endWithin(END_LIMIT_MS)));
  }
}

export class ChildProgram {
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #said: Said[] = [];
  /** The last lines of standard output. */
  readonly #words: string[] = [];
  readonly #heard = new Set<() => void>();
  #end: Ended | undefined;
  /** Other processes that live and die with this one. */
  family: () => readonly number[] = () => [];

  constructor({ name, args, env = {}, logFile }: ProgramOptions) {
    this.name = name;
    this.#logFile = logFile;
    const log = openSync(logFile, 'a', 0o600);
    try {
      this.#child = spawn(process.execPath, [...args], {
        cwd: ROOT,
        env: { ...process.env, ...env },
        stdio: ['pipe', 'pipe', log],
      });
    } finally {
      closeSync(log);
    }
    this.pid = this.#child.pid ?? 0;
    if (this.pid === 0) throw new Error(`${name} could not be started`);
    this.#child.stdin?.on('error', () => {});
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.#hear(line));
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.#end = { code, signal };
        resolve(this.#end);
      });
    });
  }

  get end(): Ended | undefined {
    return this.#end;
  }

  /** The first line it says for which `wanted` holds; undefined when it ends before. Rejects after `limitMs`. */
  async line(wanted: (said: Said) => boolean, limitMs: number): Promise<Said | undefined> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const found = this.#said.find(wanted);
      if (found !== undefined || this.#end !== undefined) return found;
      if (performance.now() > endMs) throw new Error(`${this.name} said nothing for ${limitMs} ms${this.logTail()}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#heard.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 250);
        this.#heard.add(wake);
      });
    }
  }

  /** Sends the signal to it and its family. */
  signal(signal: NodeJS.Signals): void {
    // The family is read first: when the parent is gone nobody knows whose they were.
    for (const pid of [...(this.#end === undefined ? [this.pid] : []), ...this.family()]) send(pid, signal);
  }

  /** To it alone. */
  ask(signal: NodeJS.Signals): void {
    if (this.#end === undefined) send(this.pid, signal);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Waits for the end; rejects after `limitMs`. */
  async endWithin(limitMs: number): Promise<Ended> {
    const over = new AbortController();
    const late = sleep(limitMs, undefined, { signal: over.signal }).then(
      () => {
        throw new Error(
          `${this.name} (pid ${this.pid}) had not ended ${limitMs} ms after it was told to${this.logTail()}`,
        );
      },
      () => undefined,
    );
    try {
      return (await Promise.race([this.ended, late])) as Ended;
    } finally {
      over.abort();
    }
  }

  /** The end of its log, for messages. */
  logTail(): string {
    try {
      return `; its log ends with:\n${readFileSync(this.#logFile, 'utf8').slice(-LOG_TAIL_CHARS)}`;
    } catch {
      return '; it has no log';
    }
  }

  /** The end of what it answered, for messages. */
  answerTail(): string {
    return this.#words.length === 0 ? '' : `; it said:\n${this.#words.join('\n')}`;
  }

  #hear(line: string): void {
    this.#words.push(line);
    if (this.#words.length > ANSWER_LINES_MAX) this.#words.shift();
    if (!line.startsWith('{')) return;
    try {
      this.#said.push(JSON.parse(line) as Said);
    } catch {
      return; // The answer of a command that is written over several lines.
    }
    for (const wake of [...this.#heard]) wake();
  }
}

/** Nothing happens when it is gone already. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone.
  }
}

/** Pids of the processes whose parent is `parent`; none where there is no /proc. */
export function childrenOf(parent: number): number[] {
  return processes().filter((pid) => parentOf(pid) === parent);
}

function processes(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** From /proc/PID/stat, where the command in parentheses may itself hold blanks and parentheses. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
