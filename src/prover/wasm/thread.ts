/**
 * What a proving thread of the `wasm` backend is given and does: kernels over the memory that all threads share, a
 * verifier and a hash of its own, and pieces of preparing and proving.
 *
 * Addresses come with each task; the thread keeps none of what belongs to a circuit.
 */
import { invariant, ZkraftError } from '../../common/index.ts';
import type { ProverBackend, ProvingKey, UncheckedClaim } from '../backend.ts';
import type { Groth16Proof, Witness } from '../formats/index.ts';
import { instantiateKernels, type KernelModule, type Kernels } from '../kernels/index.ts';
import type { Hash2 } from '../merkle/index.ts';
import { MerkleWitnessFiller } from '../merkle-witness/index.ts';
import type { BadProof } from '../types.ts';
import {
  assembleProof,
  buildSlice,
  type CircuitLayout,
  computeQuotient,
  type KeyScan,
  layOutCircuit,
  type MultiplyPoint,
  type PreparedCircuit,
  placeWitness,
  proveGroth16,
  publicSignalsOf,
  type SumPart,
  type Sums,
  scaleWitness,
  scanZkey,
  sumParts,
  type TableSlice,
  writeQuotient,
} from './groth16/index.ts';
import { createLaneHash } from './lane-hash.ts';
import type { PlainPoint } from './msm/index.ts';
import type { QuotientPlan } from './quotient/index.ts';
import { verifyBatchTwice, verifyTwice } from './second-opinion.ts';
import { Verifier } from './verifier.ts';

/** Sent once to each thread, when it starts. */
export interface WasmThreadData {
  readonly kernel: KernelModule;
  /** Of two lanes. */
  readonly verifying: KernelModule;
  readonly memory: WebAssembly.Memory;
}

/** Pieces of preparing a key. `zkey`: the file, in memory that all threads share. */
export type PrepareTask =
  | { readonly kind: 'scan-key'; readonly zkey: SharedArrayBuffer; readonly tableBytesMax: number }
  | { readonly kind: 'write-quotient'; readonly zkey: SharedArrayBuffer; readonly at: number; workAt: number }
  | { readonly kind: 'build-tables'; readonly zkey: SharedArrayBuffer; readonly slice: TableSlice; workAt: number };

export interface ScanAnswer {
  readonly scan: KeyScan;
  readonly layout: CircuitLayout;
}

export class WasmThread implements ProverBackend {
  readonly name = 'wasm';
  readonly #kernels: Kernels;
  readonly #verifier: Verifier;
  readonly #module: KernelModule;
  readonly #multiply: MultiplyPoint = (point, scalar) => this.#verifier.multiply(point, scalar);
  #hash: Promise<Hash2> | undefined;
  #filler: Promise<MerkleWitnessFiller> | undefined;

  static async create(given: WasmThreadData): Promise<WasmThread> {
    const kernels = await instantiateKernels(given.kernel, given.memory);
    return new WasmThread(kernels, await Verifier.create(given.verifying), given);
  }

  constructor(kernels: Kernels, verifier: Verifier, given: WasmThreadData) {
    this.#kernels = kernels;
    this.#verifier = verifier;
    this.#module = given.kernel;
  }

  async warm(key?: ProvingKey): Promise<void> {
    await this.hash2();
    if (key?.verificationKey) this.#verifier.prepare(key.verificationKey);
  }

  async prove(key: ProvingKey, witness: Witness): Promise<{ proof: Groth16Proof; publicSignals: readonly string[] }> {
    const { prepared } = key;
    invariant(prepared?.areaAt !== undefined, 'a wasm proof needs a prepared circuit and an area');
    const publicSignals = publicSignalsOf(prepared.circuit, witness);
    const proof = proveGroth16(this.#kernels, prepared.circuit, witness, prepared.areaAt, { multiply: this.#multiply });
    return { proof, publicSignals };
  }

  /** The witness, r and s to the proof's area; the public signals. */
  begin(circuit: PreparedCircuit, witness: Witness, areaAt: number): string[] {
    const publicSignals = publicSignalsOf(circuit, witness);
    placeWitness(this.#kernels, circuit, witness, areaAt);
    return publicSignals;
  }

  /** H's scalars, and r w, from a witness that is in its area. */
  computeQuotient(circuit: PreparedCircuit, areaAt: number): void {
    const workAt = areaAt + circuit.proof.work;
    scaleWitness(this.#kernels, circuit, areaAt, workAt);
    computeQuotient(this.#kernels, circuit, areaAt, workAt);
  }

  sums(
    circuit: PreparedCircuit,
    parts: readonly (readonly SumPart[])[],
    areaAt: number,
    workAt: number,
  ): (PlainPoint | null)[] {
    return parts.map((some) => sumParts(this.#kernels, circuit, some, areaAt, workAt));
  }

  assemble(circuit: PreparedCircuit, sums: Sums, areaAt: number): Groth16Proof {
    return assembleProof(this.#kernels, circuit, sums, areaAt, this.#multiply);
  }

  async verify(verificationKey: unknown, proof: unknown, publicSignals: unknown): Promise<boolean> {
    return verifyTwice((...claim) => this.#verifier.verify(...claim), verificationKey, proof, publicSignals);
  }

  async verifyBatch(verificationKey: unknown, items: readonly UncheckedClaim[]): Promise<BadProof[]> {
    return verifyBatchTwice((...claims) => this.#verifier.verifyBatch(...claims), verificationKey, items);
  }

  hash2(): Promise<Hash2> {
    this.#hash ??= createLaneHash(this.#module);
    return this.#hash;
  }

  /** For circuits with a wire map; see `MerkleWitnessFiller.fill` for what it gives. */
  merkleFiller(): Promise<MerkleWitnessFiller> {
    this.#filler ??= MerkleWitnessFiller.create(this.#module);
    return this.#filler;
  }

  prepare(task: PrepareTask): ScanAnswer | QuotientPlan | undefined {
    const zkey = new Uint8Array(task.zkey);
    switch (task.kind) {
      case 'scan-key': {
        const scan = scanZkey(this.#kernels, zkey);
        return { scan, layout: layOutCircuit(this.#kernels, scan, task.tableBytesMax) };
      }
      case 'write-quotient':
        return writeQuotient(this.#kernels, zkey, task.at, task.workAt);
      case 'build-tables':
        buildSlice(this.#kernels, zkey, task.slice, task.workAt);
        return undefined;
    }
  }
}

/** For tasks that only a thread with kernels can do. */
export function requireWasmThread(thread: WasmThread | undefined): WasmThread {
  if (thread) return thread;
  throw new ZkraftError('internal', 'a thread without kernels was asked to use them');
}
