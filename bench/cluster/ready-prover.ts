/** A prover that has every proof ready, so that a network can be measured without the arithmetic. */
import { ZkraftError } from '../../src/common/index.ts';
import type { MerkleStatement, ProveResult, Prover } from '../../src/prover/index.ts';
import type { Statement } from './statements.ts';

export class ReadyProver implements Prover {
  readonly backend = 'wasm';
  readonly threads: number;
  readonly #byFirstLeaf: ReadonlyMap<bigint, ProveResult>;
  #answered = 0;

  constructor(statements: readonly Statement[], threads: number) {
    this.threads = threads;
    this.#byFirstLeaf = new Map(statements.map(({ leaves: [first = '0'], result }) => [BigInt(first), result]));
  }

  /** Proofs given so far. */
  get answered(): number {
    return this.#answered;
  }

  async warm(): Promise<void> {}

  async proveMerkle(_circuit: unknown, { leaves: [first = 0n] }: MerkleStatement): Promise<ProveResult> {
    const result = this.#byFirstLeaf.get(first);
    if (result === undefined) throw new ZkraftError('internal', 'a task of a tree that nobody submitted');
    this.#answered += 1;
    return result;
  }

  prove = unasked;
  verify = unasked;
  verifyBatch = unasked;
  merkleRoot = unasked;
  merklePath = unasked;

  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

async function unasked(): Promise<never> {
  throw new ZkraftError('internal', 'a worker asks for Merkle proofs alone');
}
