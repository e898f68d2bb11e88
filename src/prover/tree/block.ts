/**
 * A piece of a tree: 12 levels over 4,096 places, in memory that threads share.
 *
 * Node i of height h is at place 2^(12 - h) + i, as in a heap: a level is contiguous and so are two children. Nodes are
 * words, 32 bytes little-endian. Only nodes above a leaf are there; what is to their right is padding, whose roots are
 * constants (one of them may be written beside the last node of a level, for the hash). Trees of more leaves are blocks
 * over blocks: the places of the upper one hold the roots of the lower ones.
 */
import { type LaneHasher, WORDS_BYTES } from '../wasm/index.ts';

export const BLOCK_HEIGHT = 12;
export const BLOCK_LEAVES = 2 ** BLOCK_HEIGHT;
const BLOCK_BYTES = 2 * BLOCK_LEAVES * WORDS_BYTES;

export type Block = Uint8Array<SharedArrayBuffer>;

/** What is to be hashed again: all nodes above the places from `from` on, of which `count` are taken. */
export interface BlockWork {
  readonly block: Block;
  readonly from: number;
  readonly count: number;
  /** Of its places, in the whole tree: 0 or 12. */
  readonly base: number;
}

/** The system gives pages when they are written: a small tree is small. */
export const createBlock = (): Block => new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES));

export function copyBlock(block: Block): Block {
  const copy = createBlock();
  copy.set(block);
  return copy;
}

/** From one node to another of the same height, the last one not included. */
export function nodesOf(block: Block, height: number, from: number, to = from + 1): Block {
  const first = BLOCK_LEAVES >> height;
  return block.subarray((first + from) * WORDS_BYTES, (first + to) * WORDS_BYTES);
}

/** An element in words as a number. */
export function numberOf(words: Uint8Array): bigint {
  const parts = new BigUint64Array(words.buffer, words.byteOffset, 4);
  const part = (i: number): bigint => parts[i] as bigint;
  return (((part(3) << 64n) | part(2)) << 128n) | ((part(1) << 64n) | part(0));
}

export function hashBlock(hasher: LaneHasher, { block, from, count, base }: BlockWork): void {
  let below = count;
  for (let height = 1; height <= BLOCK_HEIGHT; height++) {
    if (below % 2 === 1) nodesOf(block, height - 1, below).set(hasher.zeroRoot(base + height - 1));
    const [first, last] = [from >> height, Math.ceil(below / 2)];
    hasher.hashWords(nodesOf(block, height, first, last), nodesOf(block, height - 1, 2 * first, 2 * last));
    below = last;
  }
}
