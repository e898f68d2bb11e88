/** Whole proofs with one kernel module, on the test's own thread, with r and s that the test chooses. */
import { type Groth16Proof, parseWtns, viewOf, type Witness, writeInteger } from '../../src/prover/formats/index.ts';
import { loadKernelModule } from '../../src/prover/kernels/index.ts';
import type { Blinding } from '../../src/prover/reference/index.ts';
import {
  assembleProof,
  type BlindingSource,
  computeQuotient,
  type PlainPoint,
  type PreparedCircuit,
  placeWitness,
  proveGroth16,
  publicSignalsOf,
  SUM_OF_TABLE,
  type SumName,
  type SumPart,
  scaleWitness,
  sumParts,
  WasmHost,
  WasmThread,
  wipe,
} from '../../src/prover/wasm/index.ts';
import type { KernelName } from './kernels.ts';
import { pieceRunner } from './piece-runner.ts';

/** Hands out r, then s, and is asked for nothing else. */
export function blindingSource({ r, s }: Blinding): BlindingSource {
  const draws = [r, s];
  return (bytes) => {
    const drawn = draws.shift();
    if (drawn === undefined) throw new Error('more was drawn than r and s');
    writeInteger(viewOf(bytes), 0, drawn);
  };
}

export class ProofBed {
  readonly #host: WasmHost;
  readonly #thread: WasmThread;
  readonly #circuit: PreparedCircuit;
  readonly #witness: Witness;

  /** The key prepared by this module, for proofs of one witness. */
  static async create(name: KernelName, zkey: Uint8Array, wtns: Uint8Array): Promise<ProofBed> {
    const kernel = await loadKernelModule(name);
    const verifying = kernel.lanes === 2 ? kernel : await loadKernelModule('fma2-locals');
    const host = await WasmHost.create({
      selected: { kernel, verifying, productNs: 0, reasons: [] },
      circuitsMax: 1,
    });
    const thread = await WasmThread.create(host.threadData);
    const shared = new SharedArrayBuffer(zkey.length);
    new Uint8Array(shared).set(zkey);
    const { circuit } = await host.use(name, shared, pieceRunner(host, thread));
    return new ProofBed(host, thread, circuit, parseWtns(wtns));
  }

  private constructor(host: WasmHost, thread: WasmThread, circuit: PreparedCircuit, witness: Witness) {
    this.#host = host;
    this.#thread = thread;
    this.#circuit = circuit;
    this.#witness = witness;
  }

  get circuit(): PreparedCircuit {
    return this.#circuit;
  }

  get publicSignals(): string[] {
    return publicSignalsOf(this.#circuit, this.#witness);
  }

  verify(...claim: Parameters<WasmThread['verify']>): Promise<boolean> {
    return this.#thread.verify(...claim);
  }

  /** As one thread makes it. */
  prove(blinding: Blinding): Groth16Proof {
    const { kernels } = this.#host;
    const area = this.#host.takeArea(this.#circuit.proof.bytes);
    try {
      return proveGroth16(kernels, this.#circuit, this.#witness, area.at, { random: blindingSource(blinding) });
    } finally {
      this.#host.giveBackArea(area);
    }
  }

  /** As several threads make it: each list of parts, all of one sum, in a work area of its own, then all together. */
  proveInParts(blinding: Blinding, plan: readonly (readonly SumPart[])[]): Groth16Proof {
    const { kernels } = this.#host;
    const { proof } = this.#circuit;
    const area = this.#host.takeArea(proof.bytes);
    const works = plan.map(() => this.#host.takeArea(proof.bytes - proof.work));
    const { at } = area;
    try {
      placeWitness(kernels, this.#circuit, this.#witness, at, blindingSource(blinding));
      scaleWitness(kernels, this.#circuit, at, at + proof.work);
      computeQuotient(kernels, this.#circuit, at, at + proof.work);
      const sums: Record<SumName, (PlainPoint | null)[]> = { a: [], b: [], c: [] };
      plan.forEach((parts, i) => {
        const [first] = parts;
        if (first === undefined) return;
        sums[SUM_OF_TABLE[first.table]].push(sumParts(kernels, this.#circuit, parts, at, works[i]?.at ?? 0));
      });
      return assembleProof(kernels, this.#circuit, sums, at);
    } finally {
      wipe(kernels, this.#circuit, at);
      for (const region of [area, ...works]) this.#host.giveBackArea(region);
    }
  }
}
