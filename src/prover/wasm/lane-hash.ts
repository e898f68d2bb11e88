/**
 * Poseidon(2) on the kernels, as many hashes side by side as there are lanes, with a small memory of its own.
 *
 * In bulk a hash is two elements as words and becomes one; single pairs and bigints are for those who hash now and then,
 * and cost as much as a full pack.
 */
import { invariant, R, ZkraftError } from '../../common/index.ts';
import {
  createKernelMemory,
  HASH_WORK_PACKS,
  hashParameterBytes,
  instantiateKernels,
  type KernelModule,
  type Kernels,
  RESERVED_BYTES,
  readWords,
  writeHashParameters,
  writeWords,
} from '../kernels/index.ts';
import type { Hash2 } from '../merkle/index.ts';
import { poseidon2Reference } from '../reference/index.ts';

/** Elements are words: 32 bytes, little-endian, below r. */
export const WORDS_BYTES = 32;
/** Of one call to the kernel: some milliseconds, and what comes in and goes out fits the second-level cache. */
const SLICE_PAIRS = 256;

/** A hash for each of four lanes. */
const KNOWN_PAIRS = [0n, 0n, 1n, R - 1n, R - 1n, 1n << 253n, (1n << 51n) - 1n, 1n << 50n];
let hashes: readonly bigint[] | undefined;
function knownHashes(): readonly bigint[] {
  hashes ??= [0, 2, 4, 6].map((i) => poseidon2Reference(KNOWN_PAIRS[i] as bigint, KNOWN_PAIRS[i + 1] as bigint));
  return hashes;
}

export class LaneHasher {
  readonly #kernels: Kernels;
  readonly #parameters: number;
  readonly #work: number;
  readonly #source: number;
  readonly #target: number;
  readonly #zeroRoots: Uint8Array[] = [new Uint8Array(WORDS_BYTES)];

  /** Rejects with `backend_unavailable` when it hashes wrong. */
  static async create(module: KernelModule): Promise<LaneHasher> {
    const sizes = [hashParameterBytes(module), HASH_WORK_PACKS * module.packBytes, 3 * WORDS_BYTES * SLICE_PAIRS];
    const bytes = sizes.reduce((sum, size) => sum + size, RESERVED_BYTES);
    return new LaneHasher(await instantiateKernels(module, createKernelMemory(Math.ceil(bytes / 65_536))));
  }

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#parameters = RESERVED_BYTES;
    this.#work = this.#parameters + hashParameterBytes(kernels);
    this.#source = this.#work + HASH_WORK_PACKS * kernels.packBytes;
    this.#target = this.#source + 2 * WORDS_BYTES * SLICE_PAIRS;
    writeHashParameters(kernels, this.#parameters);
    this.#check();
  }

  /** Nothing checks a root after it was hashed. */
  #check(): void {
    const right = knownHashes();
    if (this.hashPairs(KNOWN_PAIRS).every((hash, i) => hash === right[i])) return;
    const text = `the hash of ${this.#kernels.name} is wrong on this machine; use another kernel`;
    throw new ZkraftError('backend_unavailable', text, { field: 'kernel' });
  }

  /** The hash of each two elements of `source`, in words, to `target`, half as long; the two may be of one buffer. */
  hashWords(target: Uint8Array, source: Uint8Array): void {
    invariant(source.length === 2 * target.length && target.length % WORDS_BYTES === 0, 'two elements become one');
    const memory = new Uint8Array(this.#kernels.memory.buffer);
    const pairs = target.length / WORDS_BYTES;
    for (let from = 0; from < pairs; from += SLICE_PAIRS) {
      const count = Math.min(SLICE_PAIRS, pairs - from);
      memory.set(source.subarray(2 * from * WORDS_BYTES, 2 * (from + count) * WORDS_BYTES), this.#source);
      this.#run(count);
      target.set(memory.subarray(this.#target, this.#target + count * WORDS_BYTES), from * WORDS_BYTES);
    }
  }

  /** The root of an empty subtree, in words: hash upon hash of zeros. */
  zeroRoot(height: number): Uint8Array {
    for (let last = this.#zeroRoots.at(-1); last && this.#zeroRoots.length <= height; ) {
      const next = new Uint8Array(WORDS_BYTES);
      this.hashWords(next, Uint8Array.of(...last, ...last));
      this.#zeroRoots.push(next);
      last = next;
    }
    return this.#zeroRoots[height] as Uint8Array;
  }

  /** What is left of a pack hashes what was there before, which nobody reads. */
  #run(pairs: number): void {
    const { exports, lanes } = this.#kernels;
    exports.poseidon2_words(this.#target, this.#source, Math.ceil(pairs / lanes), this.#parameters, this.#work);
  }

  /** The same of canonical bigints, an even number of them. */
  hashPairs(nodes: readonly bigint[]): bigint[] {
    invariant(nodes.length % 2 === 0, 'a pair has two elements');
    const view = new DataView(this.#kernels.memory.buffer);
    const hashes: bigint[] = [];
    for (let from = 0; from < nodes.length; from += 2 * SLICE_PAIRS) {
      const some = nodes.slice(from, from + 2 * SLICE_PAIRS);
      some.forEach((node, i) => {
        writeWords(view, this.#source + i * WORDS_BYTES, node);
      });
      this.#run(some.length / 2);
      for (let i = 0; i < some.length / 2; i++) hashes.push(readWords(view, this.#target + i * WORDS_BYTES));
    }
    return hashes;
  }
}

/** For trees of bigints: a level at a time in lanes, or one pair. */
export async function createLaneHash(module: KernelModule): Promise<Hash2> {
  const hasher = await LaneHasher.create(module);
  const hash = (left: bigint, right: bigint): bigint => hasher.hashPairs([left, right])[0] as bigint;
  return Object.assign(hash, { pairs: (nodes: readonly bigint[]) => hasher.hashPairs(nodes) });
}
