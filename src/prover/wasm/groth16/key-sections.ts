/**
 * A key's point sections with what stands behind each (see circuit.ts), and a first reading of the key: counts, finite
 * points, the size of its quotient's plan.
 */
import { invariant } from '../../../common/index.ts';
import { parseZkey, type Zkey } from '../../formats/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { type G1Point, type G2Point, g1ToJson, g2ToJson } from '../../reference/index.ts';
import { finitePoints } from '../msm/index.ts';
import { coefficientEntries, QuotientDraft } from '../quotient/index.ts';
import { fileBytesOf, groupOf, type KeyScan, TABLE_NAMES, type TableName } from './circuit.ts';

/** Bytes of the header's points in the file, by where they stand: all are in snarkjs's Montgomery form. */
const HEADER_NUMBERS_BYTES = 84;
const HEADER_POINTS = {
  alpha1: [0, 64],
  beta1: [64, 64],
  beta2: [128, 128],
  gamma2: [256, 128],
  delta1: [384, 64],
  delta2: [448, 128],
} as const;

function headerPoint(header: Uint8Array, name: keyof typeof HEADER_POINTS): Uint8Array {
  const [offset, bytes] = HEADER_POINTS[name];
  return header.subarray(HEADER_NUMBERS_BYTES + offset, HEADER_NUMBERS_BYTES + offset + bytes);
}

/** The key's sections are views of the file; what stands behind them is copied together, a chunk at a time. */
export interface KeySections {
  readonly zkey: Zkey;
  /** Points of a section and what stands behind it, as if they were one. */
  section(name: TableName): Uint8Array;
}

/** `header`: the header section as it stands in the file. */
export function keySections(zkey: Zkey, header: Uint8Array): KeySections {
  const { wires } = zkey.header;
  const joined = (section: Uint8Array, ...behind: readonly Uint8Array[]): Uint8Array => {
    const bytes = new Uint8Array(section.length + behind.reduce((sum, part) => sum + part.length, 0));
    bytes.set(section);
    let at = section.length;
    for (const part of behind) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  };
  const infinity = new Uint8Array(fileBytesOf('b2'));
  return {
    zkey,
    section: (name) => {
      const { sections } = zkey;
      switch (name) {
        case 'a':
          return joined(sections.a, headerPoint(header, 'delta1'));
        case 'b1':
          return joined(sections.b1, headerPoint(header, 'beta1'));
        case 'b2':
          // The scalar behind r is s.
          invariant(sections.b2.length === wires * infinity.length, 'a B2 point for each wire');
          return joined(sections.b2, infinity, headerPoint(header, 'delta2'));
        case 'c':
          return sections.c;
        case 'h':
          return sections.h;
      }
    },
  };
}

/** Throws `zkey_invalid` where a coefficient is out of range. Points are taken to have been checked. */
export function scanKey(kernels: Kernels, bytes: Uint8Array, header: Uint8Array): KeyScan {
  const zkey = parseZkey(bytes, { level: 'header' });
  const { section } = keySections(zkey, header);
  const { wires, publics, domainSize, alpha1, beta2 } = zkey.header;
  const draft = new QuotientDraft(kernels, zkey.header, coefficientEntries(zkey.sections.coefficients));
  const finite = Object.fromEntries(
    TABLE_NAMES.map((name) => [name, finitePoints(groupOf(name), section(name))]),
  ) as unknown as KeyScan['finite'];
  return {
    wires,
    publics,
    domainSize,
    points: {
      alpha1: g1ToJson(finitePoint(alpha1)).slice(0, 2) as [string, string],
      beta2: g2ToJson(finitePoint(beta2)).slice(0, 2) as [[string, string], [string, string]],
    },
    finite,
    quotientBytes: draft.planBytes,
    quotientWorkBytes: draft.workBytes,
  };
}

function finitePoint<P extends G1Point | G2Point>(point: P): NonNullable<P> {
  invariant(point !== null, 'a checked key has finite points in its header');
  return point as NonNullable<P>;
}
