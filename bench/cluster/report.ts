/** What `bench cluster` says: as JSON, and as tables for people. */
import type { LatencyFigures } from '../harness/latencies.ts';
import type { Machine } from '../harness/machine.ts';
import type { Stretch } from './database.ts';

export interface ProcessFigures {
  readonly name: string;
  readonly cpuUsPerTask: number;
  readonly rssMb: number;
  readonly peakRssMb: number;
}

export interface StepFigures {
  readonly workers: number;
  readonly historyRows?: number;
  /** Undefined: as many as went through. */
  readonly offeredPerSecond?: number;
  /** Proofs accepted. */
  readonly tasksPerSecond: number;
  readonly submitMs: LatencyFigures;
  readonly assignMs: Stretch;
  readonly wholeMs: Stretch;
  readonly processes: readonly ProcessFigures[];
}

export interface FailoverFigures {
  readonly answers: Readonly<Record<string, number>>;
  readonly submitMs: LatencyFigures;
  readonly wholeMs: Stretch;
  /** The longest time in which no proof was accepted. */
  readonly longestGapMs: number;
}

export interface MemorySample {
  readonly tasks: number;
  readonly tasksPerSecond: number;
  readonly rssMb: Readonly<Record<string, number>>;
}

export interface ClusterReport {
  readonly bench: 'cluster';
  readonly machine: Machine;
  readonly node: string;
  readonly seconds: number;
  readonly by_workers: readonly StepFigures[];
  readonly at_half: StepFigures;
  readonly failover: FailoverFigures;
  readonly by_history: readonly StepFigures[];
  readonly long_run: readonly MemorySample[];
}

export function clusterReportLines(report: ClusterReport): string[] {
  const { machine, node, by_workers, at_half, failover, by_history, long_run } = report;
  const stepRow = (name: string, { tasksPerSecond, submitMs, assignMs, wholeMs }: StepFigures): string[] => [
    name,
    tasksPerSecond.toFixed(0),
    ...[submitMs.p50, submitMs.p99, assignMs.p50, assignMs.p99, wholeMs.p50, wholeMs.p99].map(ms),
  ];
  const steps = [
    ...by_workers.map((figures) => stepRow(`all that goes, ${figures.workers} workers`, figures)),
    stepRow(`${at_half.offeredPerSecond} offered`, at_half),
    ...by_history.map((figures) => stepRow(`all that goes, ${figures.historyRows} rows of history`, figures)),
  ];
  const last = by_history.at(-1) ?? by_workers.at(-1) ?? at_half;
  const answers = Object.entries(failover.answers).map(([status, count]) => `${count} x ${status}`);
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${node}`,
    'cluster: gateway, PostgreSQL, 3 coordinators, workers with ready proofs; mutual TLS, every proof verified, all durable',
    '',
    ...table([['', 'tasks/s', 'submit p50', 'p99 ms', 'assign p50', 'p99 ms', 'whole p50', 'p99 ms'], ...steps]),
    '',
    `leader killed under ${at_half.offeredPerSecond} tasks/s: no proof accepted for ${failover.longestGapMs} ms, submits ` +
      `answered ${answers.join(', ')}, submit p99 ${ms(failover.submitMs.p99)} ms, max ${ms(failover.submitMs.max)} ms`,
    '',
    ...table([
      [`all that goes, ${last.workers} workers`, 'CPU us/task', 'RSS MB', 'peak MB'],
      ...last.processes.map(({ name, cpuUsPerTask, rssMb, peakRssMb }) => [
        name,
        ...[cpuUsPerTask, rssMb, peakRssMb].map((value) => value.toFixed(0)),
      ]),
    ]),
    ...(long_run.length === 0
      ? []
      : [
          '',
          ...table([
            ['long run', 'tasks/s', ...Object.keys(long_run[0]?.rssMb ?? {})],
            ...long_run.map(({ tasks, tasksPerSecond, rssMb }) => [
              `RSS in MB after ${tasks} tasks`,
              tasksPerSecond.toFixed(0),
              ...Object.values(rssMb).map(String),
            ]),
          ]),
        ]),
  ];
}

const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0);

/** Names to the left, figures to the right, below one another. */
function table(rows: readonly (readonly string[])[]): string[] {
  const names = Math.max(...rows.map(([name = '']) => name.length)) + 2;
  return rows.map(
    ([name = '', ...figures]) => `${name.padEnd(names)}${figures.map((cell) => cell.padStart(14)).join('')}`,
  );
}
