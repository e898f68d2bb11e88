/** What `bench raft` says: as JSON, and as tables for people. */
import { type LatencyFigures, rank } from '../harness/latencies.ts';
import type { Machine } from '../harness/machine.ts';

export interface LoadFigures {
  readonly perSecond: number;
  readonly latencyMs: LatencyFigures;
}

export interface GapFigures {
  readonly rounds: number;
  readonly p50_ms: number;
  readonly p90_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

export interface RaftReport {
  readonly bench: 'raft';
  readonly machine: Machine;
  readonly node: string;
  /** Of each command. */
  readonly command_bytes: number;
  readonly sequential: LoadFigures;
  readonly proposers_256: LoadFigures;
  readonly timeouts: readonly {
    readonly election_timeout_ms: number;
    /** From the kill of a leader to the first commit by the next. */
    readonly failover: GapFigures;
    /** From the last commit of the old leader to the first of the new one. */
    readonly transfer: GapFigures;
  }[];
}

/** In whole milliseconds. */
export function gaps(samplesMs: readonly number[]): GapFigures {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  const at = (part: number): number => Math.round(rank(sorted, part));
  return { rounds: sorted.length, p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), max_ms: at(1) };
}

export function raftReportLines(report: RaftReport): string[] {
  const { machine, node, command_bytes, sequential, proposers_256, timeouts } = report;
  const load = (name: string, { perSecond, latencyMs: { p50, p95, p99, max } }: LoadFigures): string[] => [
    name,
    String(Math.round(perSecond)),
    ...[p50, p95, p99, max].map((value) => value.toFixed(value < 10 ? 2 : 0)),
  ];
  const gap = (name: string, { rounds, p50_ms, p90_ms, p99_ms, max_ms }: GapFigures): string[] => [
    name,
    ...[rounds, p50_ms, p90_ms, p99_ms, max_ms].map(String),
  ];
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${node}`,
    `raft: 3 processes, mutual TLS, a key-value map, puts of ${command_bytes} bytes, durable on a majority`,
    '',
    ...table([
      ['commits (latencies in ms)', 'a second', 'p50', 'p95', 'p99', 'max'],
      load('one client, one at a time', sequential),
      load("256 in the leader's process", proposers_256),
    ]),
    '',
    ...table([
      ['writes stand still (in ms)', 'rounds', 'p50', 'p90', 'p99', 'max'],
      ...timeouts.flatMap(({ election_timeout_ms, failover, transfer }) => [
        gap(`leader killed, timeouts of ${election_timeout_ms} ms`, failover),
        gap(`leadership transferred, ${election_timeout_ms} ms`, transfer),
      ]),
    ]),
  ];
}

/** Names to the left, figures to the right, below one another. */
function table(rows: readonly (readonly string[])[]): string[] {
  return rows.map(
    ([name = '', ...figures]) => `${name.padEnd(38)}${figures.map((cell) => cell.padStart(10)).join('')}`,
  );
}
