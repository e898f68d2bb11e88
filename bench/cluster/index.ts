/**
 * `zkraft bench cluster`: tasks a second from client to client, through gateway, PostgreSQL, three coordinators with mutual
 * TLS, and workers. All of it is what runs in production, each in a process of its own; only the proofs are made before,
 * and the coordinator verifies each. There is no baseline.
 *
 * Steps: as quickly as it goes with each number of workers; at half of that, where latencies are told; at half of it while
 * the leader is killed; with each size of history; and the long run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkraftError } from '../../src/common/index.ts';
import { latencies } from '../harness/latencies.ts';
import { describeMachine } from '../harness/machine.ts';
import { BenchNetwork, type NetworkOptions } from './network.ts';
import type { ClusterBenchOptions } from './options.ts';
import type { ClusterReport, FailoverFigures, MemorySample, ProcessFigures, StepFigures } from './report.ts';
import type { Usage } from './usage.ts';

export { type ClusterBenchFlags, type ClusterBenchOptions, parseClusterBenchOptions } from './options.ts';
export { type ClusterReport, clusterReportLines } from './report.ts';

export interface ClusterBenchContext {
  readonly main: NetworkOptions['main'];
  readonly signal: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

/** Tasks under way when as many are submitted as are proved: some for each worker, some that wait. */
const PENDING_MAX = 600;
const WARM_UP_SECONDS = 5;
const DRAIN_MS_MAX = 60_000;
const LOOK_MS = 20;
const SAMPLES = 10;

/** Rejects with `bench_failed`, `cancelled`, and what `zkraft cluster up` rejects with. */
export async function runClusterBench(
  options: ClusterBenchOptions,
  context: ClusterBenchContext,
): Promise<ClusterReport> {
  const steps = 4 + options.workers.length + options.history.length + (options.tasks > 0 ? SAMPLES : 0);
  let done = 0;
  const step = (stage: string): void => {
    if (context.signal.aborted) throw new ZkraftError('cancelled', 'the bench was cancelled');
    context.onProgress?.(done / steps, stage);
    done += 1;
  };
  const dir = await mkdtemp(join(tmpdir(), 'zkraft-bench-cluster-'));
  let network: BenchNetwork | undefined;
  try {
    step('starting');
    const workersMax = Math.max(...options.workers);
    network = await BenchNetwork.start({
      dir,
      workersMax,
      main: context.main,
      signal: context.signal,
      onStage: (stage) => context.onProgress?.(0, stage),
    });
    return await new ClusterBench(network, options, step, context.signal).run();
  } finally {
    await network?.close();
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

class ClusterBench {
  readonly #network: BenchNetwork;
  readonly #options: ClusterBenchOptions;
  readonly #step: (stage: string) => void;
  readonly #signal: AbortSignal;

  constructor(network: BenchNetwork, options: ClusterBenchOptions, step: (stage: string) => void, signal: AbortSignal) {
    this.#network = network;
    this.#options = options;
    this.#step = step;
    this.#signal = signal;
  }

  async run(): Promise<ClusterReport> {
    const { workers, history, tasks } = this.#options;
    const { load, database } = this.#network;
    const byWorkers: StepFigures[] = [];
    for (const count of workers) {
      this.#step(`${count} workers`);
      await load.workers(count);
      await this.#warmUp();
      byWorkers.push(await this.#measure(undefined));
    }
    const best = Math.max(...byWorkers.map(({ tasksPerSecond }) => tasksPerSecond));
    const half = Math.max(1, Math.floor(best / 2));
    this.#step(`${half} tasks a second`);
    const atHalf = await this.#measure(half);
    this.#step('a leader killed');
    const failover = await this.#failover(half);
    const byHistory: StepFigures[] = [];
    for (const rows of history) {
      this.#step(`${rows} rows of history`);
      const missing = rows - (await database.count());
      if (missing > 0) await database.addHistory(missing, this.#signal);
      byHistory.push({ ...(await this.#measure(undefined)), historyRows: rows });
    }
    const memory = tasks > 0 ? await this.#longRun(tasks) : [];
    await this.#drain();
    const lost = await database.lost();
    if (lost > 0) throw new ZkraftError('bench_failed', `${lost} tasks came to nothing`);
    this.#step('stopping');
    return {
      bench: 'cluster',
      machine: describeMachine(),
      node: process.versions.node,
      seconds: this.#options.seconds,
      by_workers: byWorkers,
      at_half: atHalf,
      failover,
      by_history: byHistory,
      long_run: memory,
    };
  }

  async #warmUp(): Promise<void> {
    const order = { seconds: WARM_UP_SECONDS, rate: undefined, pendingMax: PENDING_MAX, tasksMax: undefined };
    await this.#network.load.submit(order);
    await this.#drain();
  }

  async #measure(rate: number | undefined): Promise<StepFigures> {
    const { load, database } = this.#network;
    const from = new Date();
    const before = this.#network.usage();
    const order = { seconds: this.#options.seconds, rate, pendingMax: PENDING_MAX, tasksMax: undefined };
    const { submitted, answers, latenciesMs } = await load.submit(order);
    const to = new Date();
    const after = this.#network.usage();
    await this.#drain();
    const { completed, assign, whole } = await database.ended(from, to);
    const refused = submitted - (answers['202'] ?? 0);
    if (refused > 0)
      throw new ZkraftError('bench_failed', `${refused} submits were refused: ${JSON.stringify(answers)}`);
    return {
      workers: Number(await load.workers(0)),
      tasksPerSecond: (completed * 1_000) / (to.getTime() - from.getTime()),
      ...(rate === undefined ? {} : { offeredPerSecond: rate }),
      submitMs: latencies(latenciesMs),
      assignMs: assign,
      wholeMs: whole,
      processes: figuresOf(before, after, completed),
    };
  }

  /** One kill, as a client sees it; the process is started again by whoever keeps the cluster. */
  async #failover(rate: number): Promise<FailoverFigures> {
    const { load, database } = this.#network;
    const { pid } = await this.#network.leader();
    const from = new Date();
    const order = { seconds: this.#options.seconds, rate, pendingMax: PENDING_MAX, tasksMax: undefined };
    const submitting = load.submit(order);
    await sleep((this.#options.seconds * 1_000) / 3);
    process.kill(pid, 'SIGKILL');
    const { answers, latenciesMs } = await submitting;
    await this.#drain();
    const { longestGapMs, whole } = await database.ended(from, new Date());
    return { answers, submitMs: latencies(latenciesMs), wholeMs: whole, longestGapMs };
  }

  async #longRun(tasks: number): Promise<MemorySample[]> {
    const samples: MemorySample[] = [];
    const each = Math.ceil(tasks / SAMPLES);
    for (let done = 0; done < tasks; done += each) {
      this.#step(`${done} of ${tasks} tasks`);
      const begunMs = performance.now();
      const tasksMax = Math.min(each, tasks - done);
      const order = { seconds: 24 * 3_600, rate: undefined, pendingMax: PENDING_MAX, tasksMax };
      await this.#network.load.submit(order);
      const seconds = (performance.now() - begunMs) / 1_000;
      const rss = [...this.#network.usage()].map(([name, usage]) => [name, Math.round(usage.rssMb)] as const);
      samples.push({ tasks: done + tasksMax, tasksPerSecond: tasksMax / seconds, rssMb: Object.fromEntries(rss) });
    }
    return samples;
  }

  /** Until all that was accepted is completed. */
  async #drain(): Promise<void> {
    const endMs = performance.now() + DRAIN_MS_MAX;
    while ((await this.#network.database.unfinished()) > 0) {
      if (this.#signal.aborted) throw new ZkraftError('cancelled', 'the bench was cancelled');
      if (performance.now() > endMs)
        throw new ZkraftError('bench_failed', `tasks are open ${DRAIN_MS_MAX} ms after the last`);
      await sleep(LOOK_MS);
    }
    await this.#network.load.restart();
  }
}

function figuresOf(
  before: ReadonlyMap<string, Usage>,
  after: ReadonlyMap<string, Usage>,
  tasks: number,
): ProcessFigures[] {
  return [...after].flatMap(([name, { cpuMs, rssMb, peakRssMb }]) => {
    const begun = before.get(name);
    if (begun === undefined) return [];
    return { name, cpuUsPerTask: ((cpuMs - begun.cpuMs) * 1_000) / tasks, rssMb, peakRssMb };
  });
}
