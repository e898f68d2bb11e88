/** A bench from its options to its reports: keys, cases, launches, one report for each Node binary. */
import { ZkraftError } from '../src/common/index.ts';
import type { Bench } from './bench.ts';
import type { ContenderOrder, Side } from './harness/contender.ts';
import { measureCase } from './harness/launch.ts';
import { describeMachine } from './harness/machine.ts';
import { type BenchReport, type BenchResult, resultOf } from './harness/report.ts';
import type { BenchOptions } from './options.ts';
import { type CircuitFiles, prepareCircuitFiles, prepareProofs } from './prover/circuit-files.ts';
import { BENCHES } from './registry.ts';

export interface BenchContext {
  /** Folder of the artifacts, where keys are found or made. */
  readonly artifactsDir: string;
  /** Ends every child at once; the promise rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  /** `fraction` from 0 to 1 of the keys, and then again of the samples. */
  readonly onProgress?: (fraction: number, stage: string) => void;
}

/** One report for each of `options.nodes`, in their order. */
export async function runBenches(options: BenchOptions, context: BenchContext): Promise<BenchReport[]> {
  const benches = options.names.map((name) => BENCHES[name]);
  const circuit = benches.some((bench) => bench.needsCircuit)
    ? await prepareCircuitFiles(options.depth, context)
    : undefined;
  try {
    if (circuit && benches.some((bench) => bench.needsProofs)) await prepareProofs(circuit.directory);
    const reports: BenchReport[] = [];
    for (const binary of options.nodes) {
      const results: BenchResult[] = [];
      let node = '';
      let tier: string | undefined;
      const cases = benches.flatMap((bench) => bench.cases(options).map((params) => ({ bench, params })));
      for (const [i, { bench, params }] of cases.entries()) {
        if (context.signal?.aborted) throw new ZkraftError('cancelled', 'the bench was cancelled');
        const stage = `${bench.name} ${Object.values(params).join(' ')}`;
        context.onProgress?.(i / cases.length, stage);
        const runs = options.runs ?? bench.runs;
        const measured = await measureCase({
          orders: ordersOf(bench, params, options, circuit),
          launches: options.launches,
          runs,
          node: binary,
          ...(context.signal ? { signal: context.signal } : {}),
          onRound: (fraction) => context.onProgress?.((i + fraction) / cases.length, stage),
        });
        const label = { bench: bench.name, params, launches: options.launches, runs };
        results.push(resultOf({ ...label, perSecond: bench.perSecond === true }, measured));
        const ours = measured.find(({ side }) => side === 'ours')?.ready;
        node = ours?.node ?? node;
        tier ??= ours?.tier;
      }
      reports.push({ machine: describeMachine(), node, tier: tier ?? 'none', results });
    }
    return reports;
  } finally {
    await circuit?.remove();
  }
}

function ordersOf(
  bench: Bench,
  params: ContenderOrder['params'],
  options: BenchOptions,
  circuit: CircuitFiles | undefined,
): ContenderOrder[] {
  const order = (side: Side): ContenderOrder => ({
    bench: bench.name,
    side,
    params,
    threads: options.threads,
    ...(circuit && bench.needsCircuit ? { circuitDir: circuit.directory } : {}),
  });
  return [
    order('ours'),
    order('baseline'),
    ...(options.vsBinary && bench.takesBinary ? [{ ...order('binary'), command: options.vsBinary }] : []),
  ];
}
