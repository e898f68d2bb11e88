/**
 * A cluster on this machine: coordinators, gateway and workers as processes of their own, mutual TLS between them, and a
 * private PostgreSQL. For trying, and for breaking: whatever is killed is started again.
 *
 * Folder: `certs/` (an authority that is made for it), `config/` (the settings of each process, as an operator would
 * write them), `logs/`, `postgres/`, `artifacts/`, and a folder for each process that keeps something.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { authorityFiles, writeAuthority, writeCertificate } from '../../certs/index.ts';
import { type Logger, makeFolder, ZkraftError } from '../../common/index.ts';
import { envOf, SETTING_KEYS } from '../../config/index.ts';
import { migrate, openStore, startPrivatePostgres } from '../../store/index.ts';
import { publishKeys } from '../keys.ts';
import { RunningGroup } from '../running.ts';
import {
  AUTHORITIES,
  type ClusterShape,
  certificatesDir,
  type PlannedProcess,
  type ProcessKind,
  planCluster,
} from './plan.ts';
import { isKept, lastRecord, orphansOf, removeRecord, writeRecord } from './record.ts';
import { raftStates } from './status.ts';
import { Supervised } from './supervised.ts';

export interface ClusterOptions extends ClusterShape {
  /** Depths whose keys are made before the cluster is ready. */
  readonly depths: readonly number[];
  /** Of all processes of a kind, over what the plan has. */
  readonly settings?: Partial<Readonly<Record<ProcessKind, PlannedProcess['settings']>>>;
  /** What runs a command of ours: Node, and the program's main module. */
  readonly main: { readonly command: string; readonly args: readonly string[] };
  readonly logger: Logger;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

export interface RunningCluster {
  readonly dir: string;
  readonly gatewayUrl: string;
  readonly databaseUrl: string;
  readonly processes: readonly PlannedProcess[];
  /** Undefined while it is down. */
  readonly pidOf: (name: string) => number | undefined;
  /** Rejects when the database is gone. */
  readonly done: Promise<never>;
  close(): Promise<void>;
}

const CERTIFICATE_DAYS = 365;
const AUTHORITY_DAYS = 3_650;
const HOSTS = ['localhost', '127.0.0.1', '::1'];
const VOTE_MS_MAX = 60_000;
const PROCESSES_STOP_MS = 45_000;
const LOOK_MS = 100;

/** Rejects with `already_running`, `port_in_use`, `config_invalid`, `cluster_failed`, `postgres_failed`. */
export async function launchCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { logger, signal, main } = options;
  const dir = resolve(options.dir);
  const plan = planCluster({ ...options, dir }).map((planned) => ({
    ...planned,
    settings: { ...planned.settings, ...options.settings?.[planned.kind] },
  }));
  const group = new RunningGroup(logger);
  const step = (fraction: number, stage: string): void => {
    signal?.throwIfAborted();
    options.onProgress?.(fraction, stage);
  };
  refuseSecond(dir);
  try {
    refuseOtherPorts(dir, plan);
    await refuseTakenPorts(plan);
    await makeFolders(dir);
    step(0, 'making certificates');
    await makeCertificates(dir, plan);
    await writeSettings(dir, plan);
    step(0.02, 'starting PostgreSQL');
    const abortable = signal === undefined ? {} : { signal };
    const postgres = await startPrivatePostgres({ dir: join(dir, 'postgres'), logger, ...abortable });
    group.addClosable('postgres', () => postgres.stop());
    const done = postgres.exited.then((): never => {
      throw new ZkraftError('postgres_failed', `the private PostgreSQL in ${dir} ended by itself; start again`);
    });
    done.catch(() => {});
    await migrate(postgres.connectionString, 'up');
    const store = await openStore({ connectionString: postgres.connectionString, logger });
    await publishKeys({
      dir: join(dir, 'artifacts'),
      store,
      depths: options.depths,
      onProgress: (fraction, stage) => step(0.05 + 0.75 * fraction, stage),
      ...abortable,
    }).finally(() => store.close());

    const gatewayUrl = plan.find(({ kind }) => kind === 'gateway')?.url ?? '';
    const note = (): void =>
      writeRecord(dir, {
        pid: process.pid,
        gatewayUrl,
        databaseUrl: postgres.connectionString,
        processes: plan.map(({ name, kind, url }, i) => {
          const pid = processes[i]?.pid;
          const files = { logFile: logFile(dir, name), settingsFile: settingsFile(dir, name) };
          return { name, kind, url, ...files, ...(pid === undefined ? {} : { pid }) };
        }),
      });
    const processes: Supervised[] = plan.map((planned) => {
      const supervised = new Supervised({
        name: planned.name,
        command: main.command,
        args: [...main.args, planned.kind, '--config', settingsFile(dir, planned.name), '--json'],
        env: {
          ...bareEnvironment(),
          ...(planned.kind === 'coordinator' && lean()),
          ...(planned.usesDatabase && { DATABASE_URL: postgres.connectionString }),
        },
        logFile: logFile(dir, planned.name),
        logger,
        started: note,
      });
      return supervised;
    });
    // Together, workers finishing what they prove: one after the other would take longer than anybody waits.
    const stopAll = async (): Promise<void> => void (await Promise.all(processes.map((one) => one.stop())));
    group.addClosable('processes', stopAll, PROCESSES_STOP_MS);
    signal?.addEventListener('abort', () => void stopAll(), { once: true });
    step(0.8, 'starting the coordinators');
    const isCoordinator = (i: number): boolean => plan[i]?.kind === 'coordinator';
    await Promise.all(processes.filter((_, i) => isCoordinator(i)).map((one) => one.start()));
    step(0.9, 'starting gateway and workers');
    await Promise.all(processes.filter((_, i) => !isCoordinator(i)).map((one) => one.start()));
    step(0.95, 'waiting until all coordinators vote');
    await untilAllVote(
      plan.filter(({ kind }) => kind === 'coordinator').map(({ url }) => url),
      signal,
    );
    step(1, 'ready');
    return {
      dir,
      gatewayUrl,
      databaseUrl: postgres.connectionString,
      processes: plan,
      pidOf: (name) => processes.find((_, i) => plan[i]?.name === name)?.pid,
      done,
      close: async () => {
        await group.close();
        removeRecord(dir);
      },
    };
  } catch (error) {
    await group.close();
    if (lastRecord(dir)?.pid === process.pid) removeRecord(dir);
    throw error;
  }
}

/** From then on the loss of one is borne. */
async function untilAllVote(urls: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const endMs = performance.now() + VOTE_MS_MAX;
  for (;;) {
    signal?.throwIfAborted();
    const states = await raftStates(urls);
    if (states.includes('Leader') && states.every((state) => state === 'Leader' || state === 'Follower')) return;
    if (performance.now() > endMs) {
      const said = states.map((state) => state ?? 'away').join(', ');
      throw new ZkraftError('cluster_failed', `the coordinators did not come together; they are ${said}: see logs/`);
    }
    await sleep(LOOK_MS);
  }
}

/** Without what would set a setting: the files of the cluster are all that its processes go by. */
function bareEnvironment(): NodeJS.ProcessEnv {
  const names = new Set(SETTING_KEYS.flatMap(envOf).flatMap((name) => [name, `${name}_FILE`]));
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.has(name)));
}

/**
 * Of a coordinator's memory a third is what V8 and malloc keep for speed that it does not need: young garbage for whole
 * seconds, and an arena for each thread that writes the log. As the images do.
 */
const lean = (): NodeJS.ProcessEnv => ({
  MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX ?? '2',
  NODE_OPTIONS: `--max-semi-space-size=4 ${process.env.NODE_OPTIONS ?? ''}`.trim(),
});

const settingsFile = (dir: string, name: string): string => join(dir, 'config', `${name}.yaml`);
const logFile = (dir: string, name: string): string => join(dir, 'logs', `${name}.log`);

function refuseSecond(dir: string): void {
  const last = lastRecord(dir);
  if (last === undefined) return;
  if (isKept(last) || orphansOf(last).length > 0) {
    throw new ZkraftError('already_running', `a cluster runs from ${dir}; stop it first: zkraft cluster down`);
  }
}

async function makeFolders(dir: string): Promise<void> {
  try {
    await makeFolder(dir, 0o700);
    for (const name of ['config', 'logs']) await mkdir(join(dir, name), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ZkraftError('config_invalid', `--dir ${dir} cannot be made: ${(cause as Error).message}`, {
      field: 'dir',
      cause,
    });
  }
}

/** Those that are missing. */
async function makeCertificates(dir: string, plan: readonly PlannedProcess[]): Promise<void> {
  for (const authority of AUTHORITIES) {
    const certs = certificatesDir(dir, authority);
    const writing = { dir: certs, force: false, now: new Date() };
    if (!existsSync(authorityFiles(certs).certFile)) {
      await writeAuthority(`zkraft ${authority} on this machine`, { ...writing, days: AUTHORITY_DAYS });
    }
    for (const { name } of plan.filter(({ certificates }) => certificates.includes(authority))) {
      if (existsSync(join(certs, `${name}.crt`))) continue;
      await writeCertificate(name, HOSTS, { ...writing, days: CERTIFICATE_DAYS });
    }
  }
}

async function writeSettings(dir: string, plan: readonly PlannedProcess[]): Promise<void> {
  for (const { name, settings } of plan) await writeFile(settingsFile(dir, name), stringify(settings), { mode: 0o600 });
}

/** Coordinators that know one another by their Raft ports would not find each other at others. */
function refuseOtherPorts(dir: string, plan: readonly PlannedProcess[]): void {
  for (const { name, settings, kind } of plan) {
    if (kind !== 'coordinator' || !existsSync(join(dir, name, 'raft')) || !existsSync(settingsFile(dir, name)))
      continue;
    const before = parse(readFileSync(settingsFile(dir, name), 'utf8')) as typeof settings;
    const portOf = (of: typeof settings): unknown =>
      (of.coordinator as { raft?: { raft_port?: unknown } } | undefined)?.raft?.raft_port;
    if (portOf(before) === portOf(settings)) continue;
    throw new ZkraftError(
      'config_invalid',
      `the coordinators in ${dir} know ${name} by its Raft port ${portOf(before)}, which would be ${portOf(settings)} now; give the ports of before, or another --dir`,
      { field: 'first-port' },
    );
  }
}

/** Before anything is begun: else the last of ten processes says so. */
async function refuseTakenPorts(plan: readonly PlannedProcess[]): Promise<void> {
  for (const { name, ports } of plan) {
    for (const port of ports) {
      if (await isFree(port)) continue;
      throw new ZkraftError(
        'port_in_use',
        `port ${port}, for ${name}, is in use; stop who listens there, or choose others: --first-port`,
        { field: 'first-port' },
      );
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
