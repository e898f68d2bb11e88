/**
 * A Merkle tree of up to 2^24 leaves, all nodes kept, hashed in lanes and threads.
 *
 * What it means is told in ../merkle/tree.ts, whose small tree it equals node by node: depth is fixed, positions after
 * the last leaf hold zero, zero is never a leaf, empty subtrees cost nothing. Nodes are in blocks of 4,096 places
 * (block.ts), 64 bytes a leaf in all, and blocks over blocks; above 2^24 places there is one node a level.
 *
 * Leaves are read while blocks are hashed. A build or an append works beside the tree that is there: if it fails or is
 * aborted, nothing has changed.
 */
import { ZkraftError } from '../../common/index.ts';
import { allowedThreads, checkThreads } from '../allowed-threads.ts';
import { type KernelChoice, type KernelModule, selectKernels } from '../kernels/index.ts';
import { checkDepth, checkLeafIndex, depthFor } from '../merkle/index.ts';
import type { MerklePath } from '../types.ts';
import { LaneHasher, WORDS_BYTES } from '../wasm/index.ts';
import {
  BLOCK_HEIGHT,
  BLOCK_LEAVES,
  type Block,
  copyBlock,
  createBlock,
  hashBlock,
  nodesOf,
  numberOf,
} from './block.ts';
import { BlockHashing } from './hashing.ts';
import { countOf, foundLeaves, type Leaves, leafOf } from './leaves.ts';

/** Two blocks high: 1 GiB of nodes. */
export const TREE_LEAVES_MAX = 2 ** (2 * BLOCK_HEIGHT);
const SPINE_FROM = 2 * BLOCK_HEIGHT;

export interface TreeProgress {
  readonly leavesRead: number;
  /** Leaves of which all nodes in their block are known. */
  readonly leavesHashed: number;
  /** Where it is known before all are read. */
  readonly leavesTotal?: number;
}

export interface GrowOptions {
  /** Threads to hash in, 0 to 64. 0: the caller's own. Default: what the cgroup or machine allows. */
  readonly threads?: number;
  readonly onProgress?: (progress: TreeProgress) => void;
  /** The promise rejects with `cancelled`, within a second. */
  readonly signal?: AbortSignal;
}

export interface BuildOptions extends GrowOptions {
  /** 1 to 32. Default: 8 if the leaves fit, else the smallest of 8, 16, 20 and 32 that does. */
  readonly depth?: number;
  readonly leaves: Leaves;
  /** Which kernels to hash with. Default `auto`. */
  readonly kernel?: KernelChoice;
}

/** Nodes as they are at one moment; what has been given out is not changed. */
interface Nodes {
  readonly count: number;
  readonly blocks: readonly Block[];
  /** Over the roots of `blocks`. */
  readonly top: Block;
  /** Heights 24 to 32, from the left: words. */
  readonly spine: readonly Uint8Array[];
}

export class MerkleTree {
  readonly depth: number;
  readonly #hasher: LaneHasher;
  readonly #kernel: KernelModule;
  #nodes: Nodes;
  #growing: Promise<unknown> = Promise.resolve();

  /**
   * Rejects with `invalid_depth`, `invalid_leaf` naming the index, `invalid_leaves` when there are none or too many,
   * `config_invalid` naming the option, `backend_unavailable`, `cancelled`; where a
   * thread died or was stuck `prover_crashed`, `prover_timeout`; for files `file_not_found`, `file_invalid`; and with what
   * iterating, `onProgress` or a file's `onRead` throws.
   */
  static async build(options: BuildOptions): Promise<MerkleTree> {
    const { depth, leaves, kernel: choice = 'auto' } = options;
    if (depth !== undefined) checkDepth(depth);
    const { kernel } = await selectKernels(choice);
    const hasher = await LaneHasher.create(kernel);
    const empty: Nodes = { count: 0, blocks: [], top: createBlock(), spine: [] };
    const nodes = await grow(empty, leaves, { hasher, kernel, placesMax: placesOf(depth) }, options);
    return new MerkleTree(depth ?? depthFor(nodes.count), hasher, kernel, nodes);
  }

  private constructor(depth: number, hasher: LaneHasher, kernel: KernelModule, nodes: Nodes) {
    this.depth = depth;
    this.#hasher = hasher;
    this.#kernel = kernel;
    this.#nodes = nodes;
  }

  get leafCount(): number {
    return this.#nodes.count;
  }

  get root(): bigint {
    return this.#node(this.depth, 0);
  }

  /** Throws `invalid_leaf_index` for a position that holds padding. */
  leaf(leafIndex: number): bigint {
    checkLeafIndex(leafIndex, this.leafCount);
    return this.#node(0, leafIndex);
  }

  /** Throws `invalid_leaf_index` for a position that holds padding. */
  path(leafIndex: number): MerklePath {
    checkLeafIndex(leafIndex, this.leafCount);
    const siblings: bigint[] = [];
    let position = leafIndex;
    for (let height = 0; height < this.depth; height++) {
      siblings.push(this.#node(height, position % 2 === 0 ? position + 1 : position - 1));
      position = Math.floor(position / 2);
    }
    return { root: this.root, siblings };
  }

  /**
   * The root of the subtree of 2^height positions from index 2^height on; of an empty one too. Throws `invalid_depth`
   * unless `height` is 0 to the tree's depth, and `invalid_leaf_index` unless the tree has that subtree.
   */
  subtreeRoot(height: number, index: number): bigint {
    if (!Number.isInteger(height) || height < 0 || height > this.depth) {
      const text = `height is ${height}; this tree has the heights 0 to ${this.depth}`;
      throw new ZkraftError('invalid_depth', text, { field: 'height' });
    }
    const count = 2 ** (this.depth - height);
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      const text = `index is ${index}; the subtrees of height ${height} have the indices 0 to ${count - 1}`;
      throw new ZkraftError('invalid_leaf_index', text, { field: 'index' });
    }
    return this.#node(height, index);
  }

  /**
   * More leaves, behind the last one; only what is above them is hashed. Until the promise resolves the tree is what it
   * was, and it stays so if it rejects. Appends wait for one another.
   */
  append(leaves: Leaves, options: GrowOptions = {}): Promise<void> {
    const appended = this.#growing.then(async () => {
      const way = { hasher: this.#hasher, kernel: this.#kernel, placesMax: placesOf(this.depth) };
      this.#nodes = await grow(this.#nodes, leaves, way, options);
    });
    this.#growing = appended.catch(() => {});
    return appended;
  }

  #node(height: number, index: number): bigint {
    const { count, blocks, top, spine } = this.#nodes;
    // 2^32 positions: no shifts.
    if (index * 2 ** height >= count) return numberOf(this.#hasher.zeroRoot(height));
    if (height > SPINE_FROM) return numberOf(spine[height - SPINE_FROM] as Uint8Array);
    if (height > BLOCK_HEIGHT) return numberOf(nodesOf(top, height - BLOCK_HEIGHT, index));
    const perBlock = BLOCK_LEAVES >> height;
    return numberOf(nodesOf(blocks[Math.floor(index / perBlock)] as Block, height, index % perBlock));
  }
}

const placesOf = (depth: number | undefined): number => Math.min(TREE_LEAVES_MAX, 2 ** (depth ?? 2 * BLOCK_HEIGHT));

interface Way {
  readonly hasher: LaneHasher;
  readonly kernel: KernelModule;
  readonly placesMax: number;
}

/** The nodes with `leaves` behind those that are there. */
async function grow(given: Nodes, leaves: Leaves, way: Way, options: GrowOptions): Promise<Nodes> {
  const { threads = allowedThreads(), onProgress, signal } = options;
  checkThreads(threads);
  const { hasher, kernel, placesMax } = way;
  const total = countOf(leaves);
  if (total !== undefined) checkCount(given.count + total, placesMax);
  throwIfAborted(signal);

  const blocks = [...given.blocks];
  let count = given.count;
  let hashed = given.count;
  const report = (): void =>
    onProgress?.({
      leavesRead: count - given.count,
      leavesHashed: hashed - given.count,
      ...(total === undefined ? {} : { leavesTotal: total }),
    });
  const hashing = new BlockHashing({
    hasher,
    kernel,
    threads: Math.min(threads, blocksOf(given.count, total)),
    onHashed: (work) => {
      hashed += work.count - work.from;
      report();
    },
  });
  let places: BigUint64Array | undefined;
  let from = count % BLOCK_LEAVES;
  const send = async (): Promise<void> => {
    const block = blocks.at(-1) as Block;
    const work = { block, from, count: ((count - 1) % BLOCK_LEAVES) + 1, base: 0 };
    places = undefined;
    from = 0;
    await unlessAborted(hashing.add(work), signal);
  };

  const source = foundLeaves(leaves);
  try {
    for (;;) {
      const batch = await unlessAborted(source.next(), signal);
      if (batch.done) break;
      for (const found of batch.value) {
        if (count === placesMax) checkCount(count + 1, placesMax);
        const leaf = leafOf(found, count - given.count);
        if (places === undefined) places = placesFor(blocks, count);
        writeLeaf(places, count % BLOCK_LEAVES, leaf);
        count += 1;
        if (count % BLOCK_LEAVES === 0) {
          await send();
          report();
        }
      }
    }
    if (count === 0)
      throw new ZkraftError('invalid_leaves', 'there are no leaves; a tree has one', { field: 'leaves' });
    if (places !== undefined) await send();
    await unlessAborted(hashing.finish(), signal);
  } catch (error) {
    // One that waits for what never comes must not be waited for.
    source.return().catch(() => {});
    throw error;
  } finally {
    await hashing.close();
  }
  report();
  return { count, blocks, ...join(given, blocks, hasher) };
}

/** How many blocks so many more leaves are written to; without end where that is not known. */
const blocksOf = (before: number, more = Number.POSITIVE_INFINITY): number =>
  Math.ceil((before + more) / BLOCK_LEAVES) - Math.floor(before / BLOCK_LEAVES);

/** The places of the block that takes leaf `index`: of a new one, or of a copy of the last, which others still read. */
function placesFor(blocks: Block[], index: number): BigUint64Array {
  const which = Math.floor(index / BLOCK_LEAVES);
  const block = index % BLOCK_LEAVES === 0 ? createBlock() : copyBlock(blocks[which] as Block);
  blocks[which] = block;
  const leaves = nodesOf(block, 0, 0, BLOCK_LEAVES);
  return new BigUint64Array(leaves.buffer, leaves.byteOffset, leaves.byteLength / 8);
}

function writeLeaf(places: BigUint64Array, place: number, leaf: bigint): void {
  // Stored modulo 2^64.
  places[4 * place] = leaf;
  places[4 * place + 1] = leaf >> 64n;
  places[4 * place + 2] = leaf >> 128n;
  places[4 * place + 3] = leaf >> 192n;
}

/** What is above the blocks; those before the last of the given ones are as they were. */
function join(given: Nodes, blocks: readonly Block[], hasher: LaneHasher): Pick<Nodes, 'top' | 'spine'> {
  const top = copyBlock(given.top);
  const from = Math.min(Math.floor(given.count / BLOCK_LEAVES), blocks.length - 1);
  for (let i = from; i < blocks.length; i++) nodesOf(top, 0, i).set(nodesOf(blocks[i] as Block, BLOCK_HEIGHT, 0));
  hashBlock(hasher, { block: top, from, count: blocks.length, base: BLOCK_HEIGHT });
  const spine: Uint8Array[] = [nodesOf(top, BLOCK_HEIGHT, 0)];
  for (let height = SPINE_FROM; height < 32; height++) {
    const node = new Uint8Array(WORDS_BYTES);
    hasher.hashWords(node, Uint8Array.of(...(spine.at(-1) as Uint8Array), ...hasher.zeroRoot(height)));
    spine.push(node);
  }
  return { top, spine };
}

function checkCount(count: number, placesMax: number): void {
  if (count <= placesMax) return;
  if (placesMax === TREE_LEAVES_MAX) {
    const text = `leaves holds more than ${TREE_LEAVES_MAX}, the most that a tree in memory has`;
    throw new ZkraftError('invalid_leaves', text, { field: 'leaves' });
  }
  const text = `a tree of depth ${Math.log2(placesMax)} holds ${placesMax} leaves, not ${count} or more`;
  throw new ZkraftError('invalid_depth', text, { field: 'depth' });
}

const cancelled = (): ZkraftError => new ZkraftError('cancelled', 'building the tree was cancelled');

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled();
}

/** What comes first: the promise's end or the abort. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    if (signal.aborted) throw cancelled();
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    promise.catch(() => {});
    aborted.catch(() => {});
  }
}
