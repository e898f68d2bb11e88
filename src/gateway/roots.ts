/**
 * Roots of trees, computed in the prover's threads and remembered for a while.
 *
 * Clients ask for several leaves of one tree in a row; hashing it once is enough. The key is the tree (depth, count,
 * leaves), by digest: no leaf stays in memory.
 */
import { ELEMENT_BYTES, sha256Hex, unpackElements } from '../common/index.ts';
import type { Prover } from '../prover/types.ts';
import { uint32 } from './content-hash.ts';

export class TreeRoots {
  readonly #prover: Pick<Prover, 'merkleRoot'>;
  readonly #treesMax: number;
  // In order of last use, the oldest first. A promise, so that two requests at once hash once.
  readonly #roots = new Map<string, Promise<bigint>>();

  constructor(prover: Pick<Prover, 'merkleRoot'>, treesMax = 256) {
    this.#prover = prover;
    this.#treesMax = treesMax;
  }

  /** `leaves` are 32 bytes each. Rejects with what the prover rejects with; a failure is not remembered. */
  async root(leaves: Uint8Array, depth: number): Promise<bigint> {
    const key = sha256Hex(uint32(depth), uint32(leaves.length / ELEMENT_BYTES), leaves);
    const root = this.#roots.get(key) ?? this.#prover.merkleRoot(unpackElements(leaves, 'leaves'), depth);
    this.#roots.delete(key);
    this.#roots.set(key, root);
    if (this.#roots.size > this.#treesMax) {
      const oldest = this.#roots.keys().next();
      if (!oldest.done) this.#roots.delete(oldest.value);
    }
    try {
      return await root;
    } catch (thrown) {
      if (this.#roots.get(key) === root) this.#roots.delete(key);
      throw thrown;
    }
  }
}
