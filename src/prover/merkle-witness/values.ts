/**
 * The values that a witness of the Merkle circuit is made of, numbered: a superset of its wires, 32 bytes each where
 * they stand in memory. First those of the whole statement, then a block a level, from the leaf up.
 */

import { POSEIDON_TRACE_PACKS } from '../kernels/index.ts';
import { MERKLE_DEPTH_MAX } from '../merkle/index.ts';

export const VALUES = { one: 0, root: 1, externalHash: 2, leaf: 3, leafInverse: 4, externalHashSquared: 5 } as const;
const LEVELS_AT = 6;

/** Within a level's block; the hash's trace stands behind them. */
export const LEVEL_VALUES = { sibling: 0, pathBit: 1, node: 2, left: 3, right: 4, parent: 5, trace: 6 } as const;
export const LEVEL_COUNT = LEVEL_VALUES.trace + POSEIDON_TRACE_PACKS;

export const levelValue = (level: number, value: number): number => LEVELS_AT + level * LEVEL_COUNT + value;

/** Depths are filled up to whole packs of levels, and 32 is a multiple of the lanes of every tier. */
export const VALUES_MAX = levelValue(MERKLE_DEPTH_MAX, 0);
/** A level has 243 wires. */
export const WIRES_MAX = VALUES_MAX;
