/**
 * The parts that faults strike, each a process of its own: two workers, three coordinators, gateway, PostgreSQL.
 *
 * A part is started as a supervisor would: a start that ends because something needed is away (exit code 4) is tried
 * again. Any other end that nobody asked for is an accident, which fails the scenario.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../support/cli.ts';
import { type ChildProgram, type Children, childrenOf, type Said, send } from './child-program.ts';

export const COORDINATORS = ['coordinator-1', 'coordinator-2', 'coordinator-3'] as const;
export const PART_NAMES = ['worker-1', 'worker-2', ...COORDINATORS, 'gateway', 'postgres'] as const;
/** `gateway-2` is there in networks that ask for a second one. */
export type PartName = (typeof PART_NAMES)[number] | 'gateway-2';

export interface Part {
  readonly name: PartName;
  /** Starts that found something needed away. */
  readonly startsRepeated: number;
  readonly isRunning: boolean;
  /** Resolves once it is ready. */
  start(): Promise<void>;
  /** kill -9; resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** SIGSTOP, to all of it. */
  pause(): void;
  resume(): void;
  /** Asks it to end, and demands that it does so by itself and without an error. */
  stop(): Promise<void>;
}

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');
/** Arguments of Node that run the command line: the build, as users have it; where there is none, what it is built from. */
export const ZKRAFT = existsSync(MAIN) ? [MAIN] : ['--import', 'tsx', join(ROOT, 'src', 'cli', 'main.ts')];
/** On a machine with much else to do, a start takes many seconds. */
const START_LIMIT_MS = 120_000;
const START_AGAIN_MS = 500;
/** A worker finishes its proofs for up to 25 s. */
const STOP_LIMIT_MS = 60_000;
const KILL_LIMIT_MS = 30_000;
/** Of the error table: something needed cannot be reached. */
const EXIT_UNREACHABLE = 4;

export interface CommandPartOptions {
  readonly name: Exclude<PartName, 'postgres'>;
  /** Of the command line, the command first; asked at each start. */
  readonly args: () => readonly string[];
  /** Asked at each start. */
  readonly env?: () => NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly children: Children;
  readonly onAccident: (error: Error) => void;
}

/** `zkraft coordinator`, `gateway` or `worker`. */
export class CommandPart implements Part {
  readonly name: PartName;
  readonly #options: CommandPartOptions;
  #program: ChildProgram | undefined;
  #mayEnd = true;
  #startsRepeated = 0;
  #ready: Said = {};

  constructor(options: CommandPartOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get startsRepeated(): number {
    return this.#startsRepeated;
  }

  get isRunning(): boolean {
    return this.#program !== undefined && this.#program.end === undefined;
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.isRunning ? (this.#program?.pid ?? 0) : 0;
  }

  /** What it said when it was ready: its addresses, by role. */
  get ready(): Said {
    return this.#ready;
  }

  async start(): Promise<void> {
    const { name, args, env = () => ({}), logFile, children, onAccident } = this.#options;
    const endMs = performance.now() + START_LIMIT_MS;
    for (;;) {
      const program = children.start({ name, args: [...ZKRAFT, ...args(), '--json'], env: env(), logFile });
      this.#program = program;
      const ready = await program.line((said) => said.event === 'ready', START_LIMIT_MS);
      if (ready !== undefined) {
        this.#mayEnd = false;
        this.#ready = ready;
        void program.ended.then(({ code, signal }) => {
          if (this.#mayEnd || this.#program !== program) return;
          onAccident(new Error(`${name} ended by itself with ${signal ?? `exit code ${code}`}${program.logTail()}`));
        });
        return;
      }
      const { code, signal } = await program.ended;
      if (code !== EXIT_UNREACHABLE || performance.now() > endMs) {
        const how = signal ?? `exit code ${code}`;
        throw new Error(`${name} did not start: it ended with ${how}${program.answerTail()}${program.logTail()}`);
      }
      this.#startsRepeated += 1;
      await sleep(START_AGAIN_MS);
    }
  }

  async kill(): Promise<void> {
    this.#mayEnd = true;
    this.#program?.signal('SIGKILL');
    await this.#program?.endWithin(KILL_LIMIT_MS);
  }

  pause(): void {
    this.#program?.signal('SIGSTOP');
  }

  resume(): void {
    this.#program?.signal('SIGCONT');
  }

  async stop(): Promise<void> {
    const program = this.#program;
    if (program === undefined || program.end !== undefined) return;
    this.#mayEnd = true;
    program.ask('SIGTERM');
    const { code, signal } = await program.endWithin(STOP_LIMIT_MS);
    if (code === 0) return;
    throw new Error(
      `${this.name} was asked to stop and ended with ${signal ?? `exit code ${code}`}${program.logTail()}`,
    );
  }
}

/**
 * The private PostgreSQL, held by a process that starts it and, told so, stops it. Faults strike the server with all
 * its backends; what holds it is then replaced together with it, as after a crash of both.
 */
export class PostgresPart implements Part {
  readonly name = 'postgres';
  readonly startsRepeated = 0;
  readonly #dir: string;
  readonly #logFile: string;
  readonly #children: Children;
  readonly #onAccident: (error: Error) => void;
  #holder: ChildProgram | undefined;
  #serverPid = 0;
  #connectionString = '';
  #place = '';

  constructor(options: Pick<CommandPartOptions, 'logFile' | 'children' | 'onAccident'> & { readonly dir: string }) {
    this.#dir = options.dir;
    this.#logFile = options.logFile;
    this.#children = options.children;
    this.#onAccident = options.onAccident;
  }

  /** The same after every start. */
  get connectionString(): string {
    return this.#connectionString;
  }

  /** Where its data lies, to be exchanged while it is stopped. */
  get dataFolder(): string {
    return join(this.#place, 'data');
  }

  async start(): Promise<void> {
    const holder = this.#children.start({
      name: 'postgres',
      args: ['--import', 'tsx', join(ROOT, 'test/support/postgres-child.ts'), this.#dir],
      logFile: this.#logFile,
    });
    this.#holder = holder;
    const said: Said | undefined = await holder.line(() => true, START_LIMIT_MS);
    if (typeof said?.connectionString !== 'string' || typeof said.pid !== 'number') {
      throw new Error(`PostgreSQL did not start: ${JSON.stringify(said)}${holder.logTail()}`);
    }
    if (this.#connectionString !== '' && this.#connectionString !== said.connectionString) {
      this.#onAccident(new Error('PostgreSQL is reached by another address after its restart'));
    }
    this.#connectionString = said.connectionString;
    this.#place = String(said.place);
    const serverPid = said.pid;
    this.#serverPid = serverPid;
    holder.family = () => this.#server(serverPid);
  }

  get isRunning(): boolean {
    return this.#holder !== undefined && this.#holder.end === undefined;
  }

  async kill(): Promise<void> {
    const server = this.#server(this.#serverPid);
    for (const pid of server) send(pid, 'SIGKILL');
    await this.#letGo();
  }

  pause(): void {
    // The first of them before the others, so that it starts no more.
    send(this.#serverPid, 'SIGSTOP');
    for (const pid of childrenOf(this.#serverPid)) send(pid, 'SIGSTOP');
  }

  resume(): void {
    for (const pid of this.#server(this.#serverPid).reverse()) send(pid, 'SIGCONT');
  }

  /** A fast shutdown, as `pg_ctl stop` does. */
  async stop(): Promise<void> {
    if (this.#holder?.end !== undefined) return;
    const ended = await this.#letGo();
    if (ended?.code !== 0) throw new Error(`what held PostgreSQL ended with ${ended?.signal ?? ended?.code}`);
  }

  async #letGo() {
    this.#holder?.endInput();
    return this.#holder?.endWithin(STOP_LIMIT_MS);
  }

  #server(serverPid: number): number[] {
    return serverPid === 0 ? [] : [serverPid, ...childrenOf(serverPid)];
  }
}
