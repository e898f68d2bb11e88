/**
 * Fills witnesses of the Merkle circuit with the kernels' Poseidon: the same bytes that circom's program computes, in a
 * tenth of its time.
 *
 * The nodes of the path are known before, from the tree or from a hash at a time, so that levels are hashed side by
 * side, one a lane; that each level comes to the next one's node, and the last to the root, is compared afterwards.
 * Everything is written as values (values.ts) first, and then to the wires by the map.
 *
 * Memory and kernels are its own; what it wrote there is wiped before it answers.
 */
import { invariant, R } from '../../common/index.ts';
import type { Witness } from '../formats/index.ts';
import {
  createKernelMemory,
  instantiateKernels,
  type KernelModule,
  type Kernels,
  POSEIDON_TRACE_PACKS,
  poseidonParameterBytes,
  RESERVED_BYTES,
  writePoseidonParameters,
  writeWords,
} from '../kernels/index.ts';
import type { MerklePathValues } from './path-values.ts';
import { LEVEL_COUNT, LEVEL_VALUES, levelValue, VALUES, VALUES_MAX, WIRES_MAX } from './values.ts';
import type { MerkleWireMap } from './wire-map.ts';

const WORDS_BYTES = 32;
const WORDS_U32 = WORDS_BYTES / 4;
const SOURCE_BYTES = 4;
const LEVEL_BYTES = LEVEL_COUNT * WORDS_BYTES;
/** Left, right and hash; Poseidon's work; an inversion's. */
const PACKS = 3 + 6 + 17;

export class MerkleWitnessFiller {
  readonly #kernels: Kernels;
  readonly #packsAt: number;
  readonly #valuesAt: number;
  readonly #sourcesAt: number;
  readonly #witnessAt: number;

  /** `memory`: nobody else's; it grows to 1 MB. */
  static async create(module: KernelModule, memory = createKernelMemory()): Promise<MerkleWitnessFiller> {
    const kernels = await instantiateKernels(module, memory);
    const filler = new MerkleWitnessFiller(kernels);
    writePoseidonParameters(kernels, RESERVED_BYTES);
    return filler;
  }

  private constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#packsAt = RESERVED_BYTES + poseidonParameterBytes(kernels);
    this.#valuesAt = this.#packsAt + (PACKS + POSEIDON_TRACE_PACKS) * kernels.packBytes;
    this.#sourcesAt = this.#valuesAt + VALUES_MAX * WORDS_BYTES;
    this.#witnessAt = this.#sourcesAt + WIRES_MAX * SOURCE_BYTES;
    const missing = this.#witnessAt + WIRES_MAX * WORDS_BYTES - kernels.memory.buffer.byteLength;
    if (missing > 0) kernels.memory.grow(Math.ceil(missing / 65_536));
  }

  /**
   * The witness, as a view of the filler's memory: good until the next call, and whoever takes it wipes it. Undefined
   * where the circuit is not satisfied (a leaf of zero, a bit that is none, nodes that do not lead to the root): circom's
   * program says what is wrong. Elements are canonical; siblings, bits and nodes are as many as the depth.
   */
  fill(map: MerkleWireMap, path: MerklePathValues): Witness | undefined {
    const { depth, sources, packs } = map;
    invariant(
      [path.siblings, path.pathBits, path.nodes].every(({ length }) => length === depth),
      'a path has as many steps as its circuit',
    );
    invariant(
      sources.length <= WIRES_MAX && packs.every((pack) => pack < POSEIDON_TRACE_PACKS),
      'a map is of a circuit that fits',
    );
    if (path.leaf === 0n || path.pathBits.some((bit) => bit !== 0n && bit !== 1n)) return undefined;
    const { lanes, exports } = this.#kernels;
    try {
      this.#placeInputs(path);
      this.#computeRest();
      for (let level = 0; level < depth; level += lanes) this.#hashLevels(level, packs);
      return this.#leadsToRoot(depth) ? this.#gather(sources) : undefined;
    } finally {
      const end = this.#at(levelValue(Math.ceil(depth / lanes) * lanes, 0));
      exports.words_clear(this.#packsAt, Math.ceil((end - this.#packsAt) / WORDS_BYTES));
    }
  }

  #at(value: number): number {
    return this.#valuesAt + value * WORDS_BYTES;
  }

  #pack(index: number): number {
    return this.#packsAt + index * this.#kernels.packBytes;
  }

  #placeInputs({ root, externalHash, leaf, siblings, pathBits, nodes }: MerklePathValues): void {
    const view = new DataView(this.#kernels.memory.buffer);
    const put = (value: number, element: bigint): void => {
      invariant(element >= 0n && element < R, 'elements are canonical');
      writeWords(view, this.#at(value), element);
    };
    put(VALUES.one, 1n);
    put(VALUES.root, root);
    put(VALUES.externalHash, externalHash);
    put(VALUES.leaf, leaf);
    nodes.forEach((node, level) => {
      const [sibling, bit] = [siblings[level] as bigint, pathBits[level] as bigint];
      const [left, right] = bit === 0n ? [node, sibling] : [sibling, node];
      put(levelValue(level, LEVEL_VALUES.sibling), sibling);
      put(levelValue(level, LEVEL_VALUES.pathBit), bit);
      put(levelValue(level, LEVEL_VALUES.node), node);
      put(levelValue(level, LEVEL_VALUES.left), left);
      put(levelValue(level, LEVEL_VALUES.right), right);
    });
  }

  /** 1 / leaf, and externalHash squared. */
  #computeRest(): void {
    const { exports, element } = this.#kernels;
    const [x, z, work] = [this.#pack(0), this.#pack(1), this.#pack(PACKS - 17)];
    exports.fr_read(x, this.#at(VALUES.leaf), 0, element('fr_plain'));
    exports.fr_inverse(z, x, work);
    exports.fr_write(this.#at(VALUES.leafInverse), 0, z);
    exports.fr_read(x, this.#at(VALUES.externalHash), 0, element('fr_plain'));
    exports.fr_sqr(z, x);
    exports.fr_write(this.#at(VALUES.externalHashSquared), 0, z);
  }

  /** As many levels as lanes, from `level` up; beyond the depth they hash zeros, which nobody reads. */
  #hashLevels(level: number, packs: Uint32Array): void {
    const { exports, element, packBytes } = this.#kernels;
    const [left, right, hash, work, trace] = [0, 1, 2, 3, PACKS].map((i) => this.#pack(i)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const plain = element('fr_plain');
    const valueAt = (value: number): number => this.#at(levelValue(level, value));
    exports.fr_read(left, valueAt(LEVEL_VALUES.left), LEVEL_BYTES, plain);
    exports.fr_read(right, valueAt(LEVEL_VALUES.right), LEVEL_BYTES, plain);
    exports.poseidon2_trace(hash, trace, left, right, RESERVED_BYTES, work);
    exports.fr_write(valueAt(LEVEL_VALUES.parent), LEVEL_BYTES, hash);
    const traceAt = valueAt(LEVEL_VALUES.trace);
    for (const pack of packs) {
      exports.fr_write(traceAt + pack * WORDS_BYTES, LEVEL_BYTES, trace + pack * packBytes);
    }
  }

  #leadsToRoot(depth: number): boolean {
    const words = new Uint32Array(this.#kernels.memory.buffer);
    const areEqual = (a: number, b: number): boolean => {
      const [first, second] = [this.#at(a) / 4, this.#at(b) / 4];
      for (let i = 0; i < WORDS_U32; i++) if (words[first + i] !== words[second + i]) return false;
      return true;
    };
    for (let level = 0; level < depth; level++) {
      const above = level + 1 < depth ? levelValue(level + 1, LEVEL_VALUES.node) : VALUES.root;
      if (!areEqual(levelValue(level, LEVEL_VALUES.parent), above)) return false;
    }
    return areEqual(levelValue(0, LEVEL_VALUES.node), VALUES.leaf);
  }

  #gather(sources: Uint32Array): Witness {
    const { memory, exports } = this.#kernels;
    const wires = sources.length;
    new Uint32Array(memory.buffer, this.#sourcesAt, wires).set(sources);
    exports.words_gather(this.#witnessAt, this.#valuesAt, this.#sourcesAt, wires);
    return { wires, values: new Uint8Array(memory.buffer, this.#witnessAt, wires * WORDS_BYTES) };
  }
}
