/**
 * The one product by a point without a table that a proof needs, s A: in one thread, on kernels of two lanes, which it
 * takes, in a memory of its own, wiped after each. s is secret; what verifies proofs never sees it.
 */
import { instantiateKernels, type KernelModule, type Kernels, RESERVED_BYTES } from '../kernels/index.ts';
import type { G1Point } from '../reference/index.ts';
import { multiplyPoint, multiplyPointBytes } from './verify/index.ts';
import { wipeMemory } from './wipe.ts';

const PAGE_BYTES = 65_536;

export class PointMultiplier {
  readonly #kernels: Kernels;

  /** `module`: of two lanes. */
  static async create(module: KernelModule): Promise<PointMultiplier> {
    const pages = Math.ceil((RESERVED_BYTES + multiplyPointBytes(module)) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return new PointMultiplier(await instantiateKernels(module, memory));
  }

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /** `scalar`: 0 to r - 1. */
  multiply(point: G1Point, scalar: bigint): G1Point {
    try {
      return multiplyPoint(this.#kernels, point, scalar, RESERVED_BYTES);
    } finally {
      wipeMemory(this.#kernels.memory, RESERVED_BYTES, multiplyPointBytes(this.#kernels));
    }
  }
}
