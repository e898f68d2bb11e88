/** What a bench is: a name, cases, and for each side what does the work in a process of its own. */
import type { CaseParams, MakeContender, Side } from './harness/contender.ts';
import type { BenchOptions } from './options.ts';

export interface Bench {
  readonly name: string;
  /** For people, a line: what one operation is. */
  readonly summary: string;
  /** Samples of each side in a launch, unless --runs says otherwise. */
  readonly runs: number;
  /** Operations of ours and of the baseline before any is timed. Default: 2. */
  readonly warmUp?: number;
  /** True when it works on the Merkle circuit of --depth, whose keys are then made if they are missing. */
  readonly needsCircuit: boolean;
  /** True when it works on finished proofs of that circuit. */
  readonly needsProofs?: true;
  /** True when a foreign prover can stand beside it (--vs-binary). */
  readonly takesBinary?: true;
  /** True when the question is how many a second. */
  readonly perSecond?: true;
  /** One result each. */
  cases(options: Pick<BenchOptions, 'depth' | 'threads'>): readonly CaseParams[];
  /** The module of a side, imported when it is asked for, and by the contender's process alone. */
  contender(side: Side): Promise<MakeContender>;
}
