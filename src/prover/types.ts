/**
 * The seam between those who want a proof and what makes one.
 *
 * A `Prover` owns threads and keys in memory; behind it a `ProverBackend` does the arithmetic inside a thread. The
 * callers (worker, coordinator, gateway, command line) see only `Prover`. Nothing here knows of networks.
 */
import type { BadProof, ProofClaim } from './claims.ts';
import type { Groth16Proof, VerificationKey } from './formats/snarkjs-json.ts';
import type { KernelChoice } from './kernels/index.ts';
import type { MerkleWireMap } from './merkle-witness/index.ts';

export type { BadProof, ProofClaim } from './claims.ts';

export type BackendName = 'snarkjs' | 'wasm' | 'webgpu';
export type BackendChoice = 'auto' | BackendName;

/** Circuit inputs by signal name: field elements as decimal or 0x strings, nested arrays for array signals. */
export type SignalValue = string | readonly SignalValue[];
export type CircuitInput = Readonly<Record<string, SignalValue>>;

/** A circuit ready to be proved: the bytes of its files, named by a digest that stands for all of them. */
export interface CircuitArtifacts {
  /** Lower-case hex SHA-256 that names this set of files; caches in the threads go by it. */
  readonly digest: string;
  readonly circuitId: string;
  /** snarkjs's zkey, Groth16 over BN254. */
  readonly zkey: Uint8Array;
  /** The witness program that circom 2 made. */
  readonly wasm: Uint8Array;
  readonly verificationKey: VerificationKey;
  /**
   * Of the project's Merkle circuit, from `loadCircuit`: with it the `wasm` backend fills witnesses by its own hash.
   * Without it circom's program computes them.
   */
  readonly merkleWires?: MerkleWireMap;
}

export type ProveStage = 'witness' | 'prove' | 'verify';

/** `throughput`: a proof a thread. `latency`: a proof over all threads. `auto`: over all when none is under way. */
export type ProveMode = 'auto' | 'throughput' | 'latency';

export interface ProveOptions {
  /** Ends the work within a second; the promise rejects with `prover_aborted`. */
  readonly signal?: AbortSignal;
  /** The promise rejects with `prover_timeout` after this time. */
  readonly timeoutMs?: number;
  readonly onStage?: (stage: ProveStage) => void;
  /** Default: the prover's own. */
  readonly mode?: ProveMode;
}

export interface ProveTimings {
  readonly queueMs: number;
  readonly witnessMs: number;
  readonly proveMs: number;
  readonly verifyMs: number;
}

export interface ProveResult {
  readonly proof: Groth16Proof;
  /** Decimal strings, in the circuit's order. */
  readonly publicSignals: readonly string[];
  readonly backend: BackendName;
  readonly timings: ProveTimings;
}

/** A Merkle statement to prove. Elements are canonical; `leaves` holds no zero. */
export interface MerkleStatement {
  readonly leaves: readonly bigint[];
  readonly leafIndex: number;
  readonly depth: number;
  /** 0n when nothing is bound. */
  readonly externalHash: bigint;
  /** When given, the tree must have this root, else `wrong_path`. */
  readonly root?: bigint;
}

export interface MerklePath {
  readonly root: bigint;
  /** From the leaf's sibling up; `depth` of them. */
  readonly siblings: readonly bigint[];
}

/**
 * Proves, verifies and hashes in threads of its own, so that the caller's thread stays free.
 * Every method rejects with `ZkraftError`. Closing is idempotent and leaves no thread behind.
 */
export interface Prover extends AsyncDisposable {
  readonly backend: BackendName;
  readonly threads: number;
  /** Loads the circuit's keys into the threads ahead of the first proof. */
  warm(circuit: CircuitArtifacts): Promise<void>;
  /** Proves any circom circuit. The proof was verified before the promise resolves. */
  prove(circuit: CircuitArtifacts, input: CircuitInput, options?: ProveOptions): Promise<ProveResult>;
  /** Builds the tree, checks the root if one is given, and proves. `circuit` is the project's Merkle circuit of that depth. */
  proveMerkle(circuit: CircuitArtifacts, statement: MerkleStatement, options?: ProveOptions): Promise<ProveResult>;
  /**
   * True or false; malformed input rejects with `proof_malformed`, `public_signals_malformed` or `vkey_invalid`, and a key
   * under which anybody can forge (delta = +-gamma) with `key_refused`.
   */
  verify(
    verificationKey: VerificationKey,
    proof: Groth16Proof,
    publicSignals: readonly string[],
    options?: { signal?: AbortSignal },
  ): Promise<boolean>;
  /**
   * Which of the claims do not hold, in order; none when all do. Many under one key cost a fraction of `verify` each
   * (see wasm/verify/README.md), `BATCH_SLICE` at a time, the slices over all threads. A bad key rejects, as with `verify`.
   */
  verifyBatch(
    verificationKey: VerificationKey,
    items: readonly ProofClaim[],
    options?: { signal?: AbortSignal },
  ): Promise<readonly BadProof[]>;
  merkleRoot(leaves: readonly bigint[], depth: number): Promise<bigint>;
  merklePath(leaves: readonly bigint[], depth: number, leafIndex: number): Promise<MerklePath>;
  close(): Promise<void>;
}

export interface ProverConfig {
  readonly backend?: BackendChoice;
  /** Threads. 0: on the caller's own, which does nothing else meanwhile. Default: what the cgroup or machine allows. */
  readonly threads?: number;
  /** Most tasks waiting for a thread; more reject with `overloaded`. */
  readonly queueMax?: number;
  /** Circuits whose keys are kept in memory, those used last. Default 8. */
  readonly circuitsMax?: number;
  /** Default `auto`. Only the `wasm` backend proves over several threads. */
  readonly mode?: ProveMode;
  /** Which kernels the `wasm` backend computes with. Default `auto`: the fastest that is right here. */
  readonly kernel?: KernelChoice;
  /** Folder in which prepared keys are kept, so that a machine prepares each once. Without it they are not kept. */
  readonly tableCacheDir?: string;
  /** Told what could not be kept there, or was damaged; proofs are made all the same. */
  readonly onTrouble?: (message: string) => void;
  /** Most bytes of one circuit's tables in memory. Default 1 GiB; less makes proofs slower. */
  readonly tableBytesMax?: number;
}
