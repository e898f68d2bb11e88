/**
 * A key on the kernels: one memory that all threads share, laid out here, with the trapdoor, the scalars, two tables of
 * multiples, and a work area for each thread; and another one for the thread that computes the scalars, which is gone
 * when they are there.
 *
 * The second is overwritten from end to end when they are there, the first once no thread is left to write to it; so are
 * both after a failure.
 */
import { invariant } from '../../common/index.ts';
import { SCALAR_BYTES, type VerificationKey } from '../formats/index.ts';
import {
  createKernelMemory,
  instantiateKernels,
  type KernelModule,
  type Kernels,
  RESERVED_BYTES,
} from '../kernels/index.ts';
import {
  type FixedBaseTable,
  fixedBaseBytes,
  hasTwoPowerOrder,
  keyCounts,
  MemoryRegions,
  multiplyWorkBytes,
  ORDER_WORK_PACKS,
  planFixedBase,
  SLICE_PRODUCTS_MAX,
  wipeMemory,
} from '../wasm/index.ts';
import { Crew, type Jobs, OwnThread } from './crew.ts';
import { type KeyArithmetic, type PointGroup, type PreparedKey, verificationKeyJob } from './key-arithmetic.ts';
import type { ThreadKernels } from './thread-jobs.ts';
import { drawTrapdoor, type RandomBytes, TRAPDOOR_BYTES } from './trapdoor.ts';

/** Addresses end at 4 GiB; a key of 2^20 rows takes a tenth. */
const MEMORY_BYTES_MAX = 3 * 1024 ** 3;

/** What there is to multiply by, and from what. */
interface Products {
  readonly table: FixedBaseTable;
  readonly scalarsAt: number;
}

export class KernelArithmetic implements KeyArithmetic {
  /** G2's products take three times as long. */
  readonly slicePoints = { g1: SLICE_PRODUCTS_MAX, g2: SLICE_PRODUCTS_MAX / 2 };
  readonly #kernels: Kernels;
  /** Until the scalars are there. */
  #scratch: WebAssembly.Memory | undefined;
  readonly #regions: MemoryRegions;
  readonly #trapdoorAt: number;
  #jobs: Jobs | undefined;
  #products: Readonly<Record<PointGroup, Products>> | undefined;

  /** `threads`: 0 is the caller's own. */
  static async create(kernel: KernelModule, threads: number, signal?: AbortSignal): Promise<KernelArithmetic> {
    const made = new KernelArithmetic(await instantiateKernels(kernel, createKernelMemory()));
    const equip = (): ThreadKernels => made.#equip(kernel);
    made.#jobs = threads === 0 ? await OwnThread.create(equip(), signal) : new Crew(threads, equip, signal);
    return made;
  }

  private constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#regions = new MemoryRegions(kernels.memory, RESERVED_BYTES, MEMORY_BYTES_MAX);
    this.#trapdoorAt = this.#take(TRAPDOOR_BYTES);
  }

  drawTrapdoor(randomBytes: RandomBytes): void {
    const work = this.#take(ORDER_WORK_PACKS * this.#kernels.packBytes);
    const trapdoor = new Uint8Array(this.#kernels.memory.buffer, this.#trapdoorAt, TRAPDOOR_BYTES);
    drawTrapdoor(trapdoor, randomBytes, () => hasTwoPowerOrder(this.#kernels, this.#trapdoorAt, work));
  }

  async prepare(bytes: Uint8Array): Promise<PreparedKey> {
    // One copy for all threads, and nobody's to change meanwhile.
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const circuit = await this.#run.run({ kind: 'read', r1cs: shared });
    const { r1cs, domainSize } = circuit;
    const counts = keyCounts(r1cs, domainSize);
    const [g1At, g2At] = [this.#take(counts.g1 * SCALAR_BYTES), this.#take(counts.g2 * SCALAR_BYTES)];
    const table = (group: PointGroup): Promise<FixedBaseTable> => {
      const shape = planFixedBase(group, counts[group]);
      return this.#run.run({ kind: 'table', shape, at: this.#take(fixedBaseBytes(this.#kernels, shape)) });
    };
    // The tables know nothing of the circuit: another thread makes them meanwhile.
    const scratch = createKernelMemory();
    this.#scratch = scratch;
    const [coefficients, g2, g1] = await Promise.all([
      this.#run.run({ kind: 'scalars', circuit, scratch, trapdoorAt: this.#trapdoorAt, g1At, g2At }),
      table('g2'),
      table('g1'),
    ]);
    wipe(scratch);
    this.#scratch = undefined;
    this.#products = { g1: { table: g1, scalarsAt: g1At }, g2: { table: g2, scalarsAt: g2At } };
    return { wires: r1cs.wires, publics: r1cs.publics, domainSize, coefficients, counts };
  }

  multiply(group: PointGroup, from: number, to: number): Promise<Uint8Array> {
    invariant(this.#products !== undefined, 'a key is prepared before its points are made');
    const { table, scalarsAt } = this.#products[group];
    return this.#run.run({
      kind: 'multiply',
      table,
      scalarsAt: scalarsAt + from * SCALAR_BYTES,
      count: to - from,
    });
  }

  verificationKey(zkey: Uint8Array): Promise<VerificationKey> {
    return this.#run.run(verificationKeyJob(zkey));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs?.[Symbol.asyncDispose]();
    for (const memory of [this.#kernels.memory, this.#scratch]) if (memory) wipe(memory);
  }

  get #run(): Jobs {
    invariant(this.#jobs !== undefined, 'there is somebody to do the jobs');
    return this.#jobs;
  }

  #equip(kernel: KernelModule): ThreadKernels {
    return { kernel, memory: this.#kernels.memory, workAt: this.#take(multiplyWorkBytes(this.#kernels)) };
  }

  #take(bytes: number): number {
    return this.#regions.take(bytes).at;
  }
}

/** From end to end, but for the kernels' constants. */
function wipe(memory: WebAssembly.Memory): void {
  // Grown by a thread, it is seen in its full length from here on.
  memory.grow(0);
  wipeMemory(memory, RESERVED_BYTES, memory.buffer.byteLength - RESERVED_BYTES);
}
