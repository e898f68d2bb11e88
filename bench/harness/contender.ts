/**
 * The seam of every bench: a contender does one thing, again and again, in a child process of its own.
 *
 * Each side (ours, the baseline, a foreign binary) is a `Contender`. A process of its own means that its CPU time, all
 * threads included, and its peak memory are its own; the conductor (launch.ts) lets one work at a time, in turn.
 */
import type { ErrorJson } from '../../src/common/index.ts';

export type Side = 'ours' | 'baseline' | 'binary';

export type CaseParams = Readonly<Record<string, string | number>>;

/** What a child is told when it is started. */
export interface ContenderOrder {
  readonly bench: string;
  readonly side: Side;
  readonly params: CaseParams;
  /** The most threads that it may keep busy. */
  readonly threads: number;
  /** Folder of a prepared circuit (see prover/circuit-files.ts), for benches that need one. */
  readonly circuitDir?: string;
  /** The words of the foreign prover's command line, with placeholders. */
  readonly command?: readonly string[];
}

/** For a contender whose work is done by another process, which this one's clocks do not see. */
export interface ForeignUsage {
  /** Undefined where the system does not tell. */
  readonly cpuMs: number | undefined;
  readonly peakRssMb: number | undefined;
}

export interface Contender {
  /** For the report: what did the work. */
  readonly name: string;
  /** Which kernels it runs on, if it has several. */
  readonly tier?: string;
  /** True while the baseline's own code stands where ours is to be: the ratio then says nothing but noise. */
  readonly standIn?: boolean;
  /**
   * Operations of one sample, when that is fixed. Otherwise as many as a sample of SAMPLE_MS takes, found out while
   * warming up, in multiples of `grain` (default 1).
   */
  readonly operations?: number;
  readonly grain?: number;
  /** What is timed. `sample` chooses among the inputs, so that all sides get the same ones in the same order. */
  run(sample: number, operations: number): Promise<ForeignUsage | undefined>;
  /**
   * What the last run computed, in an encoding that both sides share; not timed. Left out where results are random, as
   * proofs are: those the contender verifies itself, as part of the run.
   */
  result?(): Promise<string>;
  close(): Promise<void>;
}

export type MakeContender = (order: ContenderOrder) => Promise<Contender>;

export interface Sample {
  /** Of one operation. */
  readonly wallMs: number;
  readonly cpuMs: number | undefined;
  /** Of the process, since it started. */
  readonly peakRssMb: number | undefined;
}

export interface ReadyContender {
  readonly name: string;
  readonly tier?: string;
  readonly standIn: boolean;
  /** Without the leading v. */
  readonly node: string;
  readonly operations: number;
}

export type ToContender =
  | { readonly kind: 'run'; readonly sample: number }
  | { readonly kind: 'result' }
  | { readonly kind: 'end' };

export type FromContender =
  | ({ readonly kind: 'ready' } & ReadyContender)
  | ({ readonly kind: 'sample' } & Sample)
  | { readonly kind: 'result'; readonly text: string | undefined }
  | { readonly kind: 'failed'; readonly error: ErrorJson };
