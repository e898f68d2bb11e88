/**
 * `Prover` over a pool of threads.
 *
 * What is cheap is checked on the caller's thread, so that a bad request costs no queue place; everything that takes
 * more than a millisecond happens in a thread.
 */
import { packElements, R, ZkraftError } from '../../common/index.ts';
import type { Groth16Proof, VerificationKey } from '../formats/index.ts';
import { checkLeafIndex, checkLeaves, merkleCircuitId } from '../merkle/index.ts';
import type {
  BackendName,
  CircuitArtifacts,
  CircuitInput,
  MerklePath,
  MerkleStatement,
  ProveOptions,
  ProveResult,
  Prover,
} from '../types.ts';
import { SharedCircuits } from './shared-circuits.ts';
import type { PathAnswer, ProvedAnswer, ProvingTask, StageEvent } from './tasks.ts';
import { siblingModule } from './thread-files.ts';
import { ThreadPool } from './thread-pool.ts';

/** When the caller gives no limit of his own: no proof takes this long that is not stuck. */
const PROVE_TIMEOUT_MS = 600_000;
/** A verification is 30 ms, a tree of 1,000 leaves 100 ms, a cold thread a second; the rest is waiting in the queue. */
const SHORT_TIMEOUT_MS = 60_000;

export interface PooledProverOptions {
  readonly backend: BackendName;
  readonly threads: number;
  readonly queueMax: number;
  /** Circuits whose keys are kept in memory. */
  readonly circuitsMax: number;
}

export class PooledProver implements Prover {
  readonly backend: BackendName;
  readonly threads: number;
  readonly #pool: ThreadPool<ProvingTask>;
  readonly #circuits: SharedCircuits;

  constructor(options: PooledProverOptions) {
    this.backend = options.backend;
    this.threads = options.threads;
    this.#circuits = new SharedCircuits(options.circuitsMax);
    this.#pool = new ThreadPool({
      file: siblingModule(import.meta.url, 'proving-thread'),
      threads: options.threads,
      queueMax: options.queueMax,
    });
  }

  async warm(circuit: CircuitArtifacts): Promise<void> {
    const shared = await this.#circuits.get(circuit);
    const task: ProvingTask = { kind: 'warm', backend: this.backend, circuit: shared };
    // An idle pool gives each thread one of these; a busy one warms itself.
    const free = Math.max(1, this.threads - this.#pool.running - this.#pool.waiting);
    await Promise.all(Array.from({ length: free }, () => this.#pool.run(task, { timeoutMs: PROVE_TIMEOUT_MS })));
  }

  async prove(circuit: CircuitArtifacts, input: CircuitInput, options: ProveOptions = {}): Promise<ProveResult> {
    throwIfAborted(options.signal);
    const shared = await this.#circuits.get(circuit);
    return await this.#prove({ kind: 'prove', backend: this.backend, circuit: shared, input }, options);
  }

  async proveMerkle(
    circuit: CircuitArtifacts,
    statement: MerkleStatement,
    options: ProveOptions = {},
  ): Promise<ProveResult> {
    throwIfAborted(options.signal);
    const { leaves, leafIndex, depth, externalHash, root } = statement;
    checkLeaves(leaves, depth);
    checkLeafIndex(leafIndex, leaves.length);
    if (externalHash < 0n || externalHash >= R) {
      throw new ZkraftError('invalid_external_hash', 'external_hash is not below r', { field: 'external_hash' });
    }
    if (circuit.circuitId !== merkleCircuitId(depth)) {
      throw new ZkraftError('invalid_depth', `depth is ${depth}, but the circuit given is ${circuit.circuitId}`, {
        field: 'depth',
      });
    }
    const shared = await this.#circuits.get(circuit);
    const task: ProvingTask = {
      kind: 'prove-merkle',
      backend: this.backend,
      circuit: shared,
      statement: {
        leaves: packElements(leaves),
        leafIndex,
        depth,
        externalHash: externalHash.toString(),
        ...(root === undefined ? {} : { root: root.toString() }),
      },
    };
    return await this.#prove(task, options);
  }

  async #prove(task: ProvingTask, options: ProveOptions): Promise<ProveResult> {
    let queueMs = 0;
    const answer = (await this.#pool.run(task, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? PROVE_TIMEOUT_MS,
      onEvent: (event) => options.onStage?.((event as StageEvent).stage),
      onStart: (waitedMs) => {
        queueMs = waitedMs;
      },
    })) as ProvedAnswer;
    const { proof, publicSignals, witnessMs, proveMs, verifyMs } = answer;
    return { proof, publicSignals, backend: this.backend, timings: { queueMs, witnessMs, proveMs, verifyMs } };
  }

  async verify(
    verificationKey: VerificationKey,
    proof: Groth16Proof,
    publicSignals: readonly string[],
    options: { signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const task: ProvingTask = { kind: 'verify', backend: this.backend, verificationKey, proof, publicSignals };
    return (await this.#pool.run(task, { signal: options.signal, timeoutMs: SHORT_TIMEOUT_MS })) as boolean;
  }

  async merkleRoot(leaves: readonly bigint[], depth: number): Promise<bigint> {
    checkLeaves(leaves, depth);
    const task: ProvingTask = {
      kind: 'merkle-root',
      backend: this.backend,
      tree: { leaves: packElements(leaves), depth },
    };
    return (await this.#pool.run(task, { timeoutMs: SHORT_TIMEOUT_MS })) as bigint;
  }

  async merklePath(leaves: readonly bigint[], depth: number, leafIndex: number): Promise<MerklePath> {
    checkLeaves(leaves, depth);
    checkLeafIndex(leafIndex, leaves.length);
    const task: ProvingTask = {
      kind: 'merkle-path',
      backend: this.backend,
      tree: { leaves: packElements(leaves), depth },
      leafIndex,
    };
    return (await this.#pool.run(task, { timeoutMs: SHORT_TIMEOUT_MS })) as PathAnswer;
  }

  async close(): Promise<void> {
    this.#circuits.clear();
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ZkraftError('prover_aborted', 'proving was cancelled before it began');
}
