/** Benchmarks: ours beside a baseline, in one run and in turn. See README.md. */
export {
  type ClusterBenchFlags,
  type ClusterReport,
  clusterReportLines,
  parseClusterBenchOptions,
  runClusterBench,
} from './cluster/index.ts';
export type { BenchReport, BenchResult, Figures } from './harness/report.ts';
export { duration, reportLines } from './harness/report-text.ts';
export { type BenchFlags, type BenchOptions, parseBenchOptions } from './options.ts';
export { parseRounds, type RaftReport, raftReportLines, runRaftBench } from './raft/index.ts';
export { BENCHES, type BenchName } from './registry.ts';
export { type BenchContext, runBenches } from './run.ts';
