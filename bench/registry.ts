/**
 * Every bench by its name. To add one: a folder with an index.ts that exports a `Bench`, a file a side beside it, and a
 * line here. The command's help names them too (a test compares): it must not load this to say so.
 */
import { ZkraftError } from '../src/common/index.ts';
import type { Bench } from './bench.ts';
import { fieldBench } from './prover/field/index.ts';
import { hashBench } from './prover/hash/index.ts';
import { msmBench } from './prover/msm/index.ts';
import { nttBench } from './prover/ntt/index.ts';
import { proveBench } from './prover/prove/index.ts';
import { setupBench } from './prover/setup/index.ts';
import { throughputBench } from './prover/throughput/index.ts';
import { treeBench } from './prover/tree/index.ts';
import { verifyBench } from './prover/verify/index.ts';
import { verifyBatchBench } from './prover/verify-batch/index.ts';

export type BenchName =
  | 'prove'
  | 'prove-throughput'
  | 'setup'
  | 'verify'
  | 'verify-batch'
  | 'hash'
  | 'tree'
  | 'msm'
  | 'ntt'
  | 'field';

export const BENCHES: Readonly<Record<BenchName, Bench>> = {
  prove: proveBench,
  'prove-throughput': throughputBench,
  setup: setupBench,
  verify: verifyBench,
  'verify-batch': verifyBatchBench,
  hash: hashBench,
  tree: treeBench,
  msm: msmBench,
  ntt: nttBench,
  field: fieldBench,
};

/** Throws `usage`. */
export function benchNamed(name: string): Bench {
  const found = Object.values(BENCHES).find((bench) => bench.name === name);
  if (found) return found;
  throw new ZkraftError('usage', `there is no bench ${name}`, { field: 'name' });
}
