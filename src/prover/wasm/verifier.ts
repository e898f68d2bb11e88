/**
 * Verification in one thread, with keys prepared as they come: a memory and kernels of its own, of two lanes whatever the
 * prover computes with, so that what proves and what checks share nothing but code. The one product by a point without
 * a table that a proof needs is computed here too, as it takes two lanes.
 */

import { ZkraftError } from '../../common/core.ts';
import { isMalformedClaim, parseVerificationKey } from '../formats/core.ts';
import {
  createKernelMemory,
  instantiateKernels,
  type KernelModule,
  type Kernels,
  RESERVED_BYTES,
} from '../kernels/core.ts';
import type { G1Point } from '../reference/core.ts';
import { checkVerificationKey } from '../setup/verification-key.ts';
import { MemoryRegions, type Region } from './memory-regions.ts';
import {
  type BadMember,
  type BatchItem,
  batchWorkBytes,
  multiplyPoint,
  multiplyPointBytes,
  type PreparedKey,
  preparationBytes,
  prepareVerificationKey,
  verificationWorkBytes,
  verify,
  verifyBatch,
} from './verify/index.ts';

/** Prepared keys take 200 KB each for a few public signals. */
const KEYS_MAX = 32;
const BYTES_MAX = 512 * 1024 * 1024;

interface Entry {
  readonly prepared: PreparedKey;
  readonly region: Region;
  readonly work: Region;
}

/** The platform's own source, in Node and browsers alike. */
const randomBytes = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count));

export class Verifier {
  readonly #kernels: Kernels;
  readonly #regions: MemoryRegions;
  readonly #keys = new Map<string, Entry>();

  /** `memory`: nobody else's; of the kind that the module imports, shared or not. */
  static async create(module: KernelModule, memory = createKernelMemory()): Promise<Verifier> {
    return new Verifier(await instantiateKernels(module, memory));
  }

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#regions = new MemoryRegions(kernels.memory, RESERVED_BYTES, BYTES_MAX);
  }

  /** Prepares the key (80 ms) unless it is there. Throws `vkey_invalid`, `key_refused`. */
  prepare(key: unknown): void {
    this.#entry(key);
  }

  /** Throws `vkey_invalid`, `key_refused`, `proof_malformed`, `public_signals_malformed`. */
  verify(key: unknown, proof: unknown, publicSignals: unknown): boolean {
    const { prepared, work } = this.#entry(key);
    return verify(this.#kernels, prepared, proof, publicSignals, work.at);
  }

  /** The members that do not hold, in order, the malformed with their error. Throws `vkey_invalid`, `key_refused`. */
  verifyBatch(key: unknown, items: readonly BatchItem[]): BadMember[] {
    const [first] = items;
    if (first !== undefined && items.length === 1) return this.#verifyAlone(key, first);
    const { prepared } = this.#entry(key);
    const work = this.#regions.take(batchWorkBytes(this.#kernels, prepared, items.length));
    try {
      return verifyBatch(this.#kernels, prepared, items, randomBytes, work.at);
    } finally {
      // Proofs are no secrets, and the weights have done their duty.
      this.#regions.giveBack(work, { wipe: false });
    }
  }

  /** A batch of one pays for weights that it does not need. */
  #verifyAlone(key: unknown, { proof, publicSignals }: BatchItem): BadMember[] {
    this.prepare(key);
    try {
      return this.verify(key, proof, publicSignals) ? [] : [{ index: 0 }];
    } catch (thrown) {
      const error = ZkraftError.from(thrown);
      if (isMalformedClaim(error)) return [{ index: 0, error }];
      throw thrown;
    }
  }

  /** `scalar`: 0 to r - 1. */
  multiply(point: G1Point, scalar: bigint): G1Point {
    const region = this.#regions.take(multiplyPointBytes(this.#kernels));
    try {
      return multiplyPoint(this.#kernels, point, scalar, region.at);
    } finally {
      this.#regions.giveBack(region, { wipe: true });
    }
  }

  #entry(key: unknown): Entry {
    // Equal keys are spelled alike: they came by way of JSON, or of the strict parser.
    const name = JSON.stringify(key);
    let entry = this.#keys.get(name);
    if (entry === undefined) {
      entry = this.#make(key);
    } else {
      // Last used, last out.
      this.#keys.delete(name);
    }
    this.#keys.set(name, entry);
    for (const [oldest, { region, work }] of this.#keys) {
      if (this.#keys.size <= KEYS_MAX) break;
      this.#keys.delete(oldest);
      this.#regions.giveBack(region, { wipe: false });
      this.#regions.giveBack(work, { wipe: false });
    }
    return entry;
  }

  #make(key: unknown): Entry {
    const parsed = parseVerificationKey(key);
    checkVerificationKey(parsed);
    const region = this.#regions.take(preparationBytes(this.#kernels, parsed.nPublic));
    try {
      const prepared = prepareVerificationKey(this.#kernels, parsed, region.at);
      const work = this.#regions.take(verificationWorkBytes(this.#kernels, prepared));
      return { prepared, region, work };
    } catch (error) {
      this.#regions.giveBack(region, { wipe: false });
      throw error;
    }
  }
}
