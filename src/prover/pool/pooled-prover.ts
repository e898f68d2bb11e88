/**
 * `Prover` over an executor of tasks: threads, or the caller's own.
 *
 * What is cheap is checked on the caller's thread, so that a bad request costs no queue place; everything that takes
 * more than a millisecond happens in a thread. A proof takes one thread (throughput), or, when others would be idle, all
 * of them (latency; see joint-proof.ts).
 */
import { setImmediate as immediately } from 'node:timers/promises';
import { packElements, R, ZkraftError } from '../../common/index.ts';
import { BATCH_SLICE } from '../claims.ts';
import type { Groth16Proof, VerificationKey } from '../formats/index.ts';
import { checkLeafIndex, checkLeaves, merkleCircuitId } from '../merkle/index.ts';
import type {
  BackendName,
  BadProof,
  CircuitArtifacts,
  CircuitInput,
  MerklePath,
  MerkleStatement,
  ProofClaim,
  ProveMode,
  ProveOptions,
  ProveResult,
  Prover,
} from '../types.ts';
import type { CircuitUse, PrepareTask, Region, WasmHost } from '../wasm/index.ts';
import type { RunTaskOptions, TaskExecutor } from './executor.ts';
import { proveJointly } from './joint-proof.ts';
import { SharedCircuits } from './shared-circuits.ts';
import type { BatchAnswer, PathAnswer, ProvedAnswer, ProvingTask, SharedCircuit, StageEvent } from './tasks.ts';

/** When the caller gives no limit of his own: no proof takes this long that is not stuck. */
const PROVE_TIMEOUT_MS = 600_000;
/** Verifications, and trees of a task: milliseconds on a warm thread. Nearly all of the limit is for waiting in the queue. */
const SHORT_TIMEOUT_MS = 60_000;

export interface PooledProverOptions {
  readonly backend: BackendName;
  readonly executor: TaskExecutor<ProvingTask>;
  /** Circuits whose keys are kept in memory. */
  readonly circuitsMax: number;
  readonly mode: ProveMode;
  /** For the `wasm` backend: prepared keys, and areas to prove in. */
  readonly host?: WasmHost;
}

type ProofTask = Extract<ProvingTask, { readonly kind: 'prove' | 'prove-merkle' }>;
/** Without its circuit, which is made ready first. */
type ProofOrder =
  | Omit<Extract<ProofTask, { kind: 'prove' }>, 'circuit' | 'areaAt' | 'witnessOnly'>
  | Omit<Extract<ProofTask, { kind: 'prove-merkle' }>, 'circuit' | 'areaAt' | 'witnessOnly'>;

export class PooledProver implements Prover {
  readonly backend: BackendName;
  readonly threads: number;
  readonly #executor: TaskExecutor<ProvingTask>;
  readonly #circuits: SharedCircuits;
  readonly #mode: ProveMode;
  readonly #host: WasmHost | undefined;
  /** Proofs that have begun, by either way. */
  #proofs = 0;

  constructor(options: PooledProverOptions) {
    this.backend = options.backend;
    this.#executor = options.executor;
    this.threads = options.executor.threads;
    this.#circuits = new SharedCircuits(options.circuitsMax);
    this.#mode = options.mode;
    this.#host = options.host;
  }

  async warm(circuit: CircuitArtifacts): Promise<void> {
    const shared = await this.#circuits.get(circuit);
    const task: ProvingTask = { kind: 'warm', backend: this.backend, circuit: shared };
    // An idle pool gives each thread one of these; a busy one warms itself. They go first, each to its thread: meanwhile
    // tables that are kept are read from the disk.
    const free = Math.max(1, this.threads - this.#executor.running - this.#executor.waiting);
    const warming = Array.from({ length: free }, () => this.#executor.run(task, { timeoutMs: PROVE_TIMEOUT_MS }));
    const [ready, ...warmed] = await Promise.allSettled([this.#ready(circuit), ...warming]);
    if (ready.status === 'fulfilled') ready.value.use?.release();
    const failed = [ready, ...warmed].find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async prove(circuit: CircuitArtifacts, input: CircuitInput, options: ProveOptions = {}): Promise<ProveResult> {
    throwIfAborted(options.signal);
    return await this.#prove(circuit, { kind: 'prove', backend: this.backend, input }, options);
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
    const order: ProofOrder = {
      kind: 'prove-merkle',
      backend: this.backend,
      statement: {
        leaves: packElements(leaves),
        leafIndex,
        depth,
        externalHash: externalHash.toString(),
        ...(root === undefined ? {} : { root: root.toString() }),
      },
    };
    return await this.#prove(circuit, order, options);
  }

  /** The circuit in memory that threads share; for backends that prepare keys, prepared, until `use` is released. */
  async #ready(
    circuit: CircuitArtifacts,
    signal?: AbortSignal,
  ): Promise<{ readonly shared: SharedCircuit; readonly use?: CircuitUse }> {
    const shared = await this.#circuits.get(circuit);
    if (this.#host === undefined) return { shared };
    const preparing = this.#host.use(circuit.digest, shared.zkey, (piece, workBytes) => this.#piece(piece, workBytes));
    // Whoever else waits for the same circuit is not disturbed by one who stops waiting.
    const use = await unlessAborted(preparing, signal, (late) => late.release());
    return { shared: { ...shared, prepared: use.circuit }, use };
  }

  async #piece(piece: PrepareTask, workBytes: number): Promise<unknown> {
    const host = this.#host;
    let area: Region | undefined;
    let released = (): void => {};
    const over = new Promise<void>((resolve) => (released = resolve));
    try {
      return await this.#executor.run(
        { kind: 'prepare', backend: 'wasm', piece },
        {
          timeoutMs: PROVE_TIMEOUT_MS,
          accepted: true,
          onStart: () => {
            if (host === undefined || piece.kind === 'scan-key') return;
            area = host.takeArea(workBytes);
            piece.workAt = area.at;
          },
          onReleased: () => {
            if (area) host?.giveBackArea(area);
            released();
          },
        },
      );
    } finally {
      // A thread that took too long writes to the circuit's memory until it is gone.
      await over;
    }
  }

  async #prove(circuit: CircuitArtifacts, order: ProofOrder, options: ProveOptions): Promise<ProveResult> {
    const { shared, use } = await this.#ready(circuit, options.signal);
    const task = { ...order, circuit: shared } as ProofTask;
    const together = this.#together(options.mode ?? this.#mode);
    this.#proofs += 1;
    try {
      const timeoutMs = options.timeoutMs ?? PROVE_TIMEOUT_MS;
      const onEvent = (event: unknown): void => options.onStage?.((event as StageEvent).stage);
      const common = { signal: options.signal, timeoutMs, onEvent };
      const { queueMs, answer } =
        together && this.#host
          ? await proveJointly(this.#executor, this.#host, task, common)
          : await this.#alone(task, common);
      const { proof, publicSignals, witnessMs, proveMs, verifyMs } = answer;
      return { proof, publicSignals, backend: this.backend, timings: { queueMs, witnessMs, proveMs, verifyMs } };
    } finally {
      this.#proofs -= 1;
      use?.release();
    }
  }

  /** Whether all threads are to work on one proof. */
  #together(mode: ProveMode): boolean {
    if (this.#host === undefined || this.threads < 2) return false;
    return mode === 'latency' || (mode === 'auto' && this.#proofs === 0 && this.#executor.running === 0);
  }

  async #alone(
    task: ProofTask,
    options: RunTaskOptions,
  ): Promise<{ readonly queueMs: number; readonly answer: ProvedAnswer }> {
    const host = this.#host;
    const { prepared } = task.circuit;
    let queueMs = 0;
    let area: Region | undefined;
    const answer = (await this.#executor.run(task, {
      ...options,
      onStart: (waitedMs) => {
        queueMs = waitedMs;
        if (host && prepared) {
          area = host.takeArea(prepared.proof.bytes);
          task.areaAt = area.at;
        }
      },
      onReleased: () => {
        if (area) host?.giveBackArea(area);
      },
    })) as ProvedAnswer;
    return { queueMs, answer };
  }

  async verify(
    verificationKey: VerificationKey,
    proof: Groth16Proof,
    publicSignals: readonly string[],
    options: { signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const task: ProvingTask = { kind: 'verify', backend: this.backend, verificationKey, proof, publicSignals };
    return (await this.#executor.run(task, { signal: options.signal, timeoutMs: SHORT_TIMEOUT_MS })) as boolean;
  }

  async verifyBatch(
    verificationKey: VerificationKey,
    items: readonly ProofClaim[],
    options: { signal?: AbortSignal } = {},
  ): Promise<readonly BadProof[]> {
    // One at least, so that a bad key is refused whatever there is to verify under it.
    const slices = Math.max(1, Math.ceil(items.length / BATCH_SLICE));
    const bad: BadProof[] = [];
    let next = 0;
    const verifySlices = async (): Promise<void> => {
      while (next < slices) {
        const from = BATCH_SLICE * next++;
        const some = items.slice(from, from + BATCH_SLICE);
        const task: ProvingTask = { kind: 'verify-batch', backend: this.backend, verificationKey, items: some };
        // A queue that took the first part takes the others.
        const limits = { signal: options.signal, timeoutMs: SHORT_TIMEOUT_MS, accepted: from > 0 };
        const answer = (await this.#executor.run(task, limits)) as BatchAnswer;
        for (const { index, error, confirmed } of answer) {
          const member = { index: from + index, confirmed };
          bad.push(error === undefined ? member : { ...member, error: ZkraftError.fromJSON(error) });
        }
      }
    };
    const hands = [verifySlices()];
    try {
      // A full queue says so at once: then no other part is begun.
      if (slices > 1) await Promise.race([hands[0], immediately()]);
      while (hands.length < Math.min(slices, this.threads)) hands.push(verifySlices());
      await Promise.all(hands);
    } finally {
      // Where one failed, the others begin nothing more.
      next = slices;
    }
    return bad.sort((a, b) => a.index - b.index);
  }

  async merkleRoot(leaves: readonly bigint[], depth: number): Promise<bigint> {
    checkLeaves(leaves, depth);
    const task: ProvingTask = {
      kind: 'merkle-root',
      backend: this.backend,
      tree: { leaves: packElements(leaves), depth },
    };
    return (await this.#executor.run(task, { timeoutMs: SHORT_TIMEOUT_MS })) as bigint;
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
    return (await this.#executor.run(task, { timeoutMs: SHORT_TIMEOUT_MS })) as PathAnswer;
  }

  async close(): Promise<void> {
    this.#circuits.clear();
    await this.#executor.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ZkraftError('prover_aborted', 'proving was cancelled before it began');
}

/** The result, or the abort if it comes first: then `onLate` has what comes after all. */
async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  onLate: (late: T) => void,
): Promise<T> {
  if (signal === undefined) return await promise;
  return await new Promise<T>((resolve, reject) => {
    let over = false;
    const onAbort = (): void => {
      over = true;
      reject(new ZkraftError('prover_aborted', 'proving was cancelled'));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        if (over) onLate(value);
        else resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      },
    );
  });
}
