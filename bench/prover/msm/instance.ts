/** What both sides of `bench msm` compute: the sum of s_i P_i, and how they write it down to be compared. */
import { G1_BYTES, G2_BYTES, parseZkey } from '../../../src/prover/formats/index.ts';
import type { ContenderOrder } from '../../harness/contender.ts';
import { readZkey } from '../circuit-files.ts';
import { circuitDirOf, scalarBytes } from '../scalars.ts';

export interface MsmInstance {
  readonly group: 'G1' | 'G2';
  /** As in a zkey: affine, Montgomery form, little-endian, 64 or 128 bytes; infinity is all zeros. */
  readonly bases: Uint8Array;
  /** Plain form, little-endian, 32 bytes, below r. */
  readonly scalars: Uint8Array;
}

export async function readInstance(order: ContenderOrder): Promise<MsmInstance> {
  const { sections } = parseZkey(await readZkey(circuitDirOf(order)), { level: 'header' });
  const group = order.params.group === 'G2' ? 'G2' : 'G1';
  // Copies: the views would keep the whole file alive, and its memory would count for both sides.
  const bases = Uint8Array.from(group === 'G1' ? sections.h : sections.b2);
  return { group, bases, scalars: scalarBytes('msm', bases.length / (group === 'G1' ? G1_BYTES : G2_BYTES)) };
}

/** Affine coordinates in decimal: `x y`, or `x0 x1 y0 y1` in G2. */
export const pointText = (coordinates: readonly bigint[]): string => coordinates.join(' ');
