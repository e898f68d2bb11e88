/** A whole coordinator on free ports, over a store in memory, with real keys and one real proof. Made once a file. */
import { rm } from 'node:fs/promises';
import { packElements, toBytesBE, toHex } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import { type Coordinator, type CoordinatorOptions, startCoordinator } from '../../src/coordinator/index.ts';
import { type ArtifactStore, createProver, type Prover, proofToBytes } from '../../src/prover/index.ts';
import { MemoryLog } from '../support/alone-log.ts';
import { makeMerkleKeys } from '../support/merkle-circuits.ts';
import { type FakeRow, FakeStore } from './fake-store.ts';
import { FakeWorker } from './fake-worker.ts';

const DEPTH = 3;
const LEAVES = [11n, 22n, 33n];

export interface Proofs {
  readonly artifacts: ArtifactStore;
  readonly verifier: Prover;
  readonly circuitDigest: string;
  readonly root: Uint8Array;
  readonly leaves: Uint8Array;
  readonly externalHash: Uint8Array;
  /** A true proof of the tree's root; any index of it has the same public signals. */
  readonly proof: Uint8Array;
  readonly signals: Uint8Array[];
  close(): Promise<void>;
}

export async function makeProofs(): Promise<Proofs> {
  const keys = await makeMerkleKeys(DEPTH);
  const verifier = await createProver({ backend: 'snarkjs', threads: 1 });
  const circuit = keys.circuits.get(DEPTH);
  if (circuit === undefined) throw new Error('no circuit');
  const made = await verifier.proveMerkle(circuit, { leaves: LEAVES, leafIndex: 1, depth: DEPTH, externalHash: 0n });
  const root = await verifier.merkleRoot(LEAVES, DEPTH);
  return {
    artifacts: keys.store,
    verifier,
    circuitDigest: circuit.digest,
    root: toBytesBE(root),
    leaves: packElements(LEAVES),
    externalHash: new Uint8Array(32),
    proof: proofToBytes(made.proof),
    signals: made.publicSignals.map((signal) => toBytesBE(BigInt(signal))),
    close: async () => {
      await verifier.close();
      await rm(keys.dir, { recursive: true, force: true });
    },
  };
}

/** Timings of a test: everything that takes seconds in production takes tens of milliseconds. */
export const QUICK = {
  pollIntervalMs: 40,
  heartbeatTimeoutMs: 600,
  heartbeatIntervalMs: 100,
  deliveryTimeoutMs: 150,
  cleanupIntervalMs: 200,
  backoffBaseMs: 20,
  backoffCapMs: 60,
} as const;

export class Bed {
  readonly proofs: Proofs;
  readonly store = new FakeStore();
  readonly log = new MemoryLog();
  readonly workers: FakeWorker[] = [];
  readonly #options: Partial<CoordinatorOptions>;
  #coordinator: Coordinator | undefined;

  static async start(proofs: Proofs, options: Partial<CoordinatorOptions> = {}): Promise<Bed> {
    const bed = new Bed(proofs, options);
    bed.store.trees.set('ab'.repeat(32), proofs.leaves);
    await bed.startCoordinator();
    return bed;
  }

  constructor(proofs: Proofs, options: Partial<CoordinatorOptions>) {
    this.proofs = proofs;
    this.#options = options;
  }

  get coordinator(): Coordinator {
    if (this.#coordinator === undefined) throw new Error('not running');
    return this.#coordinator;
  }

  async startCoordinator(options: Partial<CoordinatorOptions> = {}): Promise<Coordinator> {
    this.#coordinator = await startCoordinator({
      id: 'c1',
      store: this.store,
      artifacts: this.proofs.artifacts,
      verifier: this.proofs.verifier,
      openLog: this.log.open('127.0.0.1:1'),
      grpcHost: '127.0.0.1',
      grpcPort: 0,
      httpHost: '127.0.0.1',
      httpPort: 0,
      logger: silentLogger,
      ...QUICK,
      ...this.#options,
      ...options,
    });
    return this.#coordinator;
  }

  /** Closes and starts again on the same disk, on new ports. */
  async restart(): Promise<void> {
    await this.coordinator.close();
    await this.startCoordinator();
  }

  async worker(id: string, slots = 2): Promise<FakeWorker> {
    const worker = this.guest(id);
    return await worker.join(slots);
  }

  /** A client that has not registered. */
  guest(id: string, token?: string, key?: string): FakeWorker {
    const worker = new FakeWorker(this.coordinator.grpcPort, id, token, key);
    this.workers.push(worker);
    return worker;
  }

  submit(fields: Partial<FakeRow> = {}): FakeRow {
    const { circuitDigest, root } = this.proofs;
    return this.store.insert({ circuitDigest, root, ...fields });
  }

  /** Waits until the row says so. */
  async until(condition: () => boolean, timeoutMs = 8_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`never so: ${condition}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async http(path: string): Promise<{ status: number; body: Record<string, unknown>; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.coordinator.httpPort}${path}`);
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, text, body: json ? (JSON.parse(text) as Record<string, unknown>) : {} };
  }

  async close(): Promise<void> {
    for (const worker of this.workers) worker.vanish();
    await this.#coordinator?.close();
  }
}

export const digestBytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
export const hexOf = toHex;
