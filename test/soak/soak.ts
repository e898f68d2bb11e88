/**
 * The soak: PostgreSQL, a coordinator in its own process, workers that have every proof ready, and many tasks.
 *
 * Returns what it measured; whoever runs it judges (verdict.ts). Everything that it starts it stops, whatever happens.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/store/index.ts';
import { startTestPostgres } from '../support/postgres.ts';
import { type CoordinatorProcess, startCoordinatorProcess } from './coordinator.ts';
import { countStatements, DatabaseCosts } from './database-costs.ts';
import { Load } from './load.ts';
import { ReadyWorker } from './ready-worker.ts';
import { LEAVES_PER_TREE, proveStatements } from './statements.ts';
import type { Sample, Window } from './verdict.ts';

export interface SoakOptions {
  readonly tasks: number;
  /** Completed before the first measurement begins. */
  readonly warmUp: number;
  /** Completed between two samples. */
  readonly sampleEach: number;
  /** Costs are taken in windows of so many tasks. */
  readonly window: number;
  readonly nodeFlags?: readonly string[];
  /** Ends the run, once the proofs are made, and stops all that it started. */
  readonly signal?: AbortSignal;
  readonly say: (line: string) => void;
  readonly sampled: (sample: Sample) => void;
}

/** Real proofs made for a soak. More than the 256 trees that a coordinator keeps leaves of, so that some are read again. */
const TREES_MAX = 272;
const TASKS_PER_TREE = 320;
const WORKERS = 2;
const SLOTS = 32;
const SETTLE_MS = 20_000;

export interface SoakResult {
  readonly samples: readonly Sample[];
  readonly tasksPerSecond: number;
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { say } = options;
  const cleanUps: (() => unknown)[] = [];
  try {
    say('starting PostgreSQL');
    const postgres = await startTestPostgres({ durable: true });
    cleanUps.push(() => postgres.stop());
    await countStatements(postgres);
    const connectionString = await postgres.createDatabase();
    const store = await openStore({ connectionString, applicationName: 'soak-gateway' });
    cleanUps.push(() => store.close());
    const costs = await DatabaseCosts.open(connectionString);
    cleanUps.push(() => costs.close());
    const trees = Math.min(TREES_MAX, Math.ceil(options.tasks / TASKS_PER_TREE));
    say(`proving ${trees} trees of ${LEAVES_PER_TREE} leaves`);
    const statements = await proveStatements(store.artifacts, trees);
    const logDir = await mkdtemp(join(tmpdir(), 'zkraft-soak-log-'));
    cleanUps.push(() => rm(logDir, { recursive: true, force: true }));
    const coordinator = await startCoordinatorProcess({ connectionString, logDir }, options.nodeFlags);
    cleanUps.push(() => coordinator.stop());
    const load = new Load({ store, statements, tasks: options.tasks });
    const interrupt = (): void => load.fail(new Error('the soak was interrupted'));
    options.signal?.addEventListener('abort', interrupt, { once: true });
    if (options.signal?.aborted) interrupt();
    for (let n = 1; n <= WORKERS; n++) {
      const worker = new ReadyWorker({
        port: coordinator.port,
        id: `ready-${n}`,
        slots: SLOTS,
        statements,
        assigned: (taskId) => load.assigned(taskId),
        completed: () => load.done(),
        failed: (error) => load.fail(error),
      });
      cleanUps.push(() => worker.close());
      await worker.join();
    }
    const fed = load.feed();
    // Its failure is met in `reach`, too.
    fed.catch((error: Error) => load.fail(error));
    const result = await measure(options, { coordinator, load, costs, logDir });
    await fed;
    await checkRecord(costs, options.tasks);
    if (coordinator.log() !== '') say(`the coordinator said:\n${coordinator.log()}`);
    return result;
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  }
}

interface Parts {
  readonly coordinator: CoordinatorProcess;
  readonly load: Load;
  readonly costs: DatabaseCosts;
  readonly logDir: string;
}

async function measure(options: SoakOptions, parts: Parts): Promise<SoakResult> {
  const { coordinator, load, costs, logDir } = parts;
  const samples: Sample[] = [];
  await load.reach(options.warmUp);
  let { collected: before } = await coordinator.measure(true);
  await costs.take();
  load.takeLatencies();
  const startedMs = performance.now();
  let from = load.completed;
  const begun = from;
  for (let next = options.sampleEach; next <= options.tasks; next += options.sampleEach) {
    const windows: Window[] = [];
    let used = before.cpuMs;
    while (from < next) {
      await load.reach(Math.min(next, from + options.window));
      const now = await coordinator.measure();
      const tasks = load.completed - from;
      const { ready, project } = await costs.take();
      windows.push({
        cpuMs: (now.cpuMs - used) / tasks,
        readyMs: ready.ms / ready.calls,
        readyPages: ready.pages / ready.calls,
        projectMs: project.ms / tasks,
        projectPages: project.pages / tasks,
      });
      used = now.cpuMs;
      from += tasks;
    }
    const { collected, rssBytes } = await coordinator.measure(true);
    before = collected;
    const sample: Sample = {
      tasks: from,
      elapsedMs: performance.now() - startedMs,
      snapshotBytes: collected.snapshotBytes,
      snapshotBytesMax: collected.snapshotBytesMax,
      rssBytes,
      rssCollectedBytes: collected.rssBytes,
      heapBytes: collected.heapBytes,
      outbox: collected.outbox,
      logBytes: await bytesUnder(logDir),
      latenciesMs: load.takeLatencies(),
      windows,
    };
    samples.push(sample);
    options.sampled(sample);
  }
  return { samples, tasksPerSecond: ((load.completed - begun) * 1_000) / (performance.now() - startedMs) };
}

/** Every task completed in one attempt, and its story whole. The last decisions may still be on their way. */
async function checkRecord(costs: DatabaseCosts, tasks: number): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const { byStatus, attemptsMax, events } = await costs.record();
    if (byStatus.completed === tasks && events === 3 * tasks && attemptsMax === 1) return;
    if (performance.now() > deadline) {
      throw new Error(
        `of ${tasks} tasks the record holds ${JSON.stringify(byStatus)}, up to ${attemptsMax} attempts, ${events} events`,
      );
    }
    await sleep(100);
  }
}

async function bytesUnder(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    // LevelDB removes files as we look.
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}
