/**
 * Which depth a tree gets. Depths 1 to 32 can be made; four are listed, so that a network has keys for a few depths and
 * not for thirty-two.
 */
import { ZkraftError } from '../../common/index.ts';
import { checkDepth } from './tree.ts';

/** Depths that a task is given when it asks for none. Ascending. */
export const LISTED_DEPTHS: readonly number[] = [8, 16, 20, 32];
export const DEFAULT_DEPTH = 8;

/**
 * The depth of a task: the one requested, else `defaultDepth` if the leaves fit, else the smallest listed that fits.
 * Throws `invalid_depth` when the requested one is not 1 to 32 or too small for `leafCount`.
 */
export function depthFor(leafCount: number, requested?: number, defaultDepth: number = DEFAULT_DEPTH): number {
  const fits = (depth: number): boolean => leafCount <= 2 ** depth;
  if (requested !== undefined) {
    checkDepth(requested);
    if (fits(requested)) return requested;
    throw new ZkraftError(
      'invalid_depth',
      `a tree of depth ${requested} holds ${2 ** requested} leaves, not ${leafCount}; leave depth out or raise it`,
      { field: 'depth' },
    );
  }
  checkDepth(defaultDepth);
  const depth = [defaultDepth, ...LISTED_DEPTHS].find(fits);
  if (depth === undefined) {
    throw new ZkraftError('invalid_depth', `no listed depth holds ${leafCount} leaves`, { field: 'depth' });
  }
  return depth;
}
