/**
 * `bench raft`: a replicated log of three processes on this machine, with mutual TLS, each entry durable on a majority.
 *
 * No baseline runs beside it: etcd is no npm package. Its figures are in the guide, for comparison.
 */
import { ZkraftError } from '../../src/common/index.ts';
import { describeMachine, type Machine } from '../harness/machine.ts';
import { again, BenchCluster, type LoadFigures, type NodeProcess, pause } from './cluster.ts';

export interface RaftBenchOptions {
  /** Leaders that are killed, and transfers, at each of the two timeouts. */
  readonly rounds: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

export interface GapFigures {
  readonly rounds: number;
  readonly p50_ms: number;
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

export const COMMAND_BYTES = 256;
const WARM_UP_MS = 3_000;
const LOAD_MS = 10_000;
const TIMEOUTS_MS = [1_000, 250] as const;

const ROUNDS = 20;

/** Of `--runs`. Throws `usage`. */
export function parseRounds(runs: string | undefined): number {
  const rounds = runs === undefined ? ROUNDS : Number(runs);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= 1_000) return rounds;
  throw new ZkraftError('usage', `--runs ${runs} is not a whole number from 1 to 1000`, { field: 'runs' });
}

export async function runRaftBench(options: RaftBenchOptions): Promise<RaftReport> {
  const { rounds, onProgress } = options;
  const steps = 1 + TIMEOUTS_MS.length * 2 * rounds;
  let done = 0;
  const step = (stage: string): void => {
    if (options.signal?.aborted) throw new ZkraftError('cancelled', 'the bench was cancelled');
    onProgress?.(done / steps, stage);
    done += 1;
  };
  const timeouts: RaftReport['timeouts'][number][] = [];
  let loads: Pick<RaftReport, 'sequential' | 'proposers_256'> | undefined;
  for (const timeoutMs of TIMEOUTS_MS) {
    const cluster = new BenchCluster(timeoutMs);
    try {
      await cluster.start();
      if (loads === undefined) {
        step('commits');
        loads = await measureLoads(await cluster.leader());
      }
      await writing(cluster, true);
      const transfers: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        step(`transfers at ${timeoutMs} ms`);
        transfers.push(await transferGap(cluster));
      }
      const failovers: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        step(`failovers at ${timeoutMs} ms`);
        failovers.push(await failoverMs(cluster, timeoutMs));
      }
      timeouts.push({ election_timeout_ms: timeoutMs, failover: gaps(failovers), transfer: gaps(transfers) });
    } finally {
      await cluster.close();
    }
  }
  if (loads === undefined) throw new ZkraftError('bench_failed', 'nothing was measured');
  return {
    bench: 'raft',
    machine: describeMachine(),
    node: process.versions.node,
    command_bytes: COMMAND_BYTES,
    ...loads,
    timeouts,
  };
}

async function measureLoads(leader: NodeProcess): Promise<Pick<RaftReport, 'sequential' | 'proposers_256'>> {
  const load = (proposers: number, durationMs: number) =>
    leader.ask<LoadFigures>({ ask: 'load', proposers, durationMs });
  await load(256, WARM_UP_MS);
  return { sequential: await load(1, LOAD_MS), proposers_256: await load(256, LOAD_MS) };
}

const writing = async (cluster: BenchCluster, on: boolean): Promise<void> => {
  await Promise.all(cluster.running().map((node) => node.ask({ ask: 'writing', on })));
};

/** Whoever leads writes one command after the other; the gap is what a client of it would see. */
async function transferGap(cluster: BenchCluster): Promise<number> {
  const old = await cluster.leader();
  await pause(200);
  await again(() => old.ask({ ask: 'transfer' }));
  const next = await firstCommitAfter(cluster, old);
  const { lastMs } = (await cluster.marks()).find(({ node }) => node === old)?.marks ?? {};
  return next - (lastMs ?? next);
}

async function failoverMs(cluster: BenchCluster, timeoutMs: number): Promise<number> {
  const old = await cluster.leader();
  // Long enough that all have heard of the leader, and not always at the same moment between two heartbeats.
  await pause(timeoutMs + Math.random() * timeoutMs);
  const killedMs = Date.now();
  await old.kill();
  const committedMs = await firstCommitAfter(cluster, old);
  const back = await cluster.startNode(old.order.name);
  await back.ask({ ask: 'writing', on: true });
  return committedMs - killedMs;
}

function firstCommitAfter(cluster: BenchCluster, old: NodeProcess): Promise<number> {
  return again(async () => {
    for (const { node, marks } of await cluster.marks()) {
      if (node !== old && marks.leads && marks.firstOfTermMs !== undefined) return marks.firstOfTermMs;
    }
    throw new ZkraftError('bench_failed', 'nobody has committed since');
  }, 5);
}

function gaps(samplesMs: readonly number[]): GapFigures {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  return { rounds: sorted.length, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
}

export function raftReportLines({
  machine,
  node,
  command_bytes,
  sequential,
  proposers_256,
  timeouts,
}: RaftReport): string[] {
  const load = (name: string, { perSecond, latencyMs: { p50, p95, p99, max } }: LoadFigures): string =>
    `  ${name.padEnd(34)} ${String(Math.round(perSecond)).padStart(7)} commits/s   p50 ${ms(p50)}  p95 ${ms(p95)}  p99 ${ms(p99)}  max ${ms(max)}`;
  const gap = (name: string, { rounds, p50_ms, p99_ms, max_ms }: GapFigures): string =>
    `  ${name.padEnd(34)} p50 ${p50_ms} ms  p99 ${p99_ms} ms  max ${max_ms} ms  (${rounds} rounds)`;
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${node}`,
    `raft: 3 processes, mutual TLS, durable on a majority, commands of ${command_bytes} bytes`,
    load('one client, one at a time', sequential),
    load("256 in the leader's process", proposers_256),
    ...timeouts.flatMap(({ election_timeout_ms, failover, transfer }) => [
      `election timeout ${election_timeout_ms} ms`,
      gap('leader killed to next commit', failover),
      gap('planned transfer, gap in writes', transfer),
    ]),
  ];
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
