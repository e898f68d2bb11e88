/**
 * `bench raft`: a replicated key-value map of three processes on this machine, with mutual TLS, each put durable on a
 * majority. At the end of each cluster its nodes must hold the same.
 *
 * No baseline runs beside it: etcd is no npm package. Its figures are in the guide, for comparison.
 */
import { ZkraftError } from '../../src/common/index.ts';
import { describeMachine } from '../harness/machine.ts';
import { again, BenchCluster, type NodeProcess, pause } from './cluster.ts';
import { gaps, type LoadFigures, type RaftReport } from './report.ts';

export { type RaftReport, raftReportLines } from './report.ts';

export interface RaftBenchOptions {
  /** Leaders that are killed, and transfers, at each of the two timeouts. */
  readonly rounds: number;
  /** How long each load lasts, and how long the warm-up before them. Default: 10,000 and 3,000. */
  readonly loadMs?: number;
  readonly warmUpMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

export const COMMAND_BYTES = 256;
const WARM_UP_MS = 3_000;
const LOAD_MS = 10_000;
const TIMEOUTS_MS = [1_000, 250] as const;

/** So many that a p90 rests on several; they take some minutes. */
const ROUNDS = 50;

/** Of `--runs`. Throws `usage`. */
export function parseRounds(runs: string | undefined): number {
  const rounds = runs === undefined ? ROUNDS : Number(runs);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= 1_000) return rounds;
  throw new ZkraftError('usage', `--runs ${runs} is not a whole number from 1 to 1000`, { field: 'runs' });
}

export async function runRaftBench(options: RaftBenchOptions): Promise<RaftReport> {
  const { rounds, loadMs = LOAD_MS, warmUpMs = WARM_UP_MS, onProgress } = options;
  const steps = 1 + TIMEOUTS_MS.length * 2 * rounds;
  let done = 0;
  const step = (stage: string): void => {
    if (options.signal?.aborted) throw new ZkraftError('cancelled', 'the bench was cancelled');
    onProgress?.(done / steps, stage);
    done += 1;
  };
  const timeouts: RaftReport['timeouts'][number][] = [];
  let loads: Loads | undefined;
  for (const timeoutMs of TIMEOUTS_MS) {
    const cluster = new BenchCluster(timeoutMs);
    try {
      await cluster.start();
      if (loads === undefined) {
        step('commits');
        loads = await measureLoads(await cluster.leader(), warmUpMs, loadMs);
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
      await writing(cluster, false);
      await sameState(cluster);
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

type Loads = Pick<RaftReport, 'sequential' | 'proposers_256'>;

async function measureLoads(leader: NodeProcess, warmUpMs: number, loadMs: number): Promise<Loads> {
  const load = (proposers: number, durationMs: number) =>
    leader.ask<LoadFigures>({ ask: 'load', proposers, durationMs });
  await load(256, warmUpMs);
  return { sequential: await load(1, loadMs), proposers_256: await load(256, loadMs) };
}

const writing = async (cluster: BenchCluster, on: boolean): Promise<void> => {
  await Promise.all(cluster.running().map((node) => node.ask({ ask: 'writing', on })));
};

async function sameState(cluster: BenchCluster): Promise<void> {
  await again(async () => {
    const hashes = await Promise.all(cluster.running().map((node) => node.ask<string>({ ask: 'hash' })));
    if (new Set(hashes).size > 1) throw new ZkraftError('bench_failed', 'the nodes hold different states');
  });
}

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
