/**
 * Where a tree's leaves come from: an array, anything that can be iterated, a promise at a time or not, or a file. They
 * are read in batches and checked one by one; a wrong one is named by its index and, in a file, its line.
 */
import { parseElement, ZkraftError } from '../../common/index.ts';
import { checkLeaf } from '../merkle/index.ts';
import { LeafFile } from './leaf-file.ts';

/** A field element, or a text that spells one: `0|[1-9][0-9]*` or `0x[0-9a-fA-F]{1,64}`, below r. */
export type Leaf = bigint | string;
export type Leaves = readonly Leaf[] | Iterable<Leaf> | AsyncIterable<Leaf> | LeafFile;

/** As it was found: `place` tells people where, when an index does not. */
export interface FoundLeaf {
  readonly leaf: unknown;
  readonly place?: string;
}

/** Of what comes one by one: a promise each would cost more than the leaf. */
const BATCH = 1024;

/** How many there will be, where that is known before they are read. */
export const countOf = (leaves: Leaves): number | undefined => (Array.isArray(leaves) ? leaves.length : undefined);

/** Throws `invalid_leaf` naming `leaves[index]`. */
export function leafOf({ leaf, place = '' }: FoundLeaf, index: number): bigint {
  const value = typeof leaf === 'bigint' ? leaf : parse(leaf, index, place);
  checkLeaf(value, index, place);
  return value;
}

function parse(leaf: unknown, index: number, place: string): bigint {
  const field = `leaves[${index}]`;
  try {
    return parseElement(leaf, `${field}${place}`, 'invalid_leaf');
  } catch (cause) {
    throw new ZkraftError('invalid_leaf', (cause as Error).message, { field, cause });
  }
}

/** Throws `invalid_leaves` when they cannot be iterated. */
export async function* foundLeaves(leaves: Leaves): AsyncGenerator<Iterable<FoundLeaf>, void> {
  if (leaves instanceof LeafFile) yield* leaves.batches();
  else if (typeof leaves === 'object' && leaves !== null && Symbol.asyncIterator in leaves) {
    let batch: FoundLeaf[] = [];
    for await (const leaf of leaves) {
      if (batch.push({ leaf }) < BATCH) continue;
      yield batch;
      batch = [];
    }
    yield batch;
  } else if (typeof leaves === 'object' && leaves !== null && Symbol.iterator in leaves) {
    yield each(leaves);
  } else {
    throw new ZkraftError('invalid_leaves', 'leaves is no array, no iterable and no file of leaves', {
      field: 'leaves',
    });
  }
}

function* each(leaves: Iterable<Leaf>): Generator<FoundLeaf> {
  for (const leaf of leaves) yield { leaf };
}
