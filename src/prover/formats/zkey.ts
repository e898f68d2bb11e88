/**
 * .zkey, version 1, Groth16 over BN254: snarkjs's proving key.
 *
 * With L the Lagrange basis of the domain of n roots of unity and u, v, w the columns of A, B, C at tau:
 *   IC, C   (beta u + alpha v + w)(tau) over gamma for the public wires, over delta for the others
 *   A, B1   u(tau), v(tau) in G1;  B2  v(tau) in G2
 *   H       L'_(2i+1)(tau) / delta with L' the basis of the 2n-domain: snarkjs hands in A B - C on the odd points
 *   coefficients  of A and B; C's are not kept, as C = A B on the domain
 *   the rows after the constraints bind the public wires: row (constraints + s) is A = wire s, B = C = 0
 * Reading has levels: 'header' checks all lengths and counts and decodes the header's points; 'coefficients' also walks
 * every coefficient; 'full' every point as well (a second or so for 25,000 points).
 */
import { Q, R } from '../../common/index.ts';
import { readContainer, requireSection, SectionReader, viewOf, writeContainer } from './container.ts';
import { g1ToMontgomery, g2ToMontgomery, SCALAR_BYTES, writeInteger } from './field-bytes.ts';
import {
  checkCoefficients,
  checkZkeySizes,
  GROTH16,
  readZkeyHeader,
  ZKEY_FORMAT,
  ZKEY_SECTION_IDS,
  type ZkeyHeader,
  type ZkeySectionName,
} from './zkey-header.ts';
import { checkZkeyPoints } from './zkey-points.ts';

/** The large sections as they stand in the file; points are affine in Montgomery form (field-bytes.ts). */
export interface ZkeySections {
  readonly ic: Uint8Array;
  readonly coefficients: Uint8Array;
  readonly a: Uint8Array;
  readonly b1: Uint8Array;
  readonly b2: Uint8Array;
  readonly c: Uint8Array;
  readonly h: Uint8Array;
  /** snarkjs's phase-2 transcript; a key of before 2020 has none. */
  readonly contributions?: Uint8Array;
}

export interface Zkey {
  readonly header: ZkeyHeader;
  readonly sections: ZkeySections;
}

export type ZkeyLevel = 'header' | 'coefficients' | 'full';

export interface ParseZkeyOptions {
  /** Default 'full'. */
  readonly level?: ZkeyLevel;
}

export function parseZkey(bytes: Uint8Array, options: ParseZkeyOptions = {}): Zkey {
  const sections = readContainer(bytes, ZKEY_FORMAT);
  const header = readZkeyHeader(sections);
  const count = new SectionReader(sections, ZKEY_SECTION_IDS.coefficients, ZKEY_FORMAT).u32();
  checkZkeySizes(header, count, (id) => sections.get(id)?.length);
  const section = (name: ZkeySectionName): Uint8Array => requireSection(sections, ZKEY_SECTION_IDS[name], ZKEY_FORMAT);
  const contributions = sections.get(ZKEY_SECTION_IDS.contributions);
  const zkey: Zkey = {
    header,
    sections: {
      ic: section('ic'),
      coefficients: section('coefficients'),
      a: section('a'),
      b1: section('b1'),
      b2: section('b2'),
      c: section('c'),
      h: section('h'),
      ...(contributions === undefined ? {} : { contributions }),
    },
  };
  const level = options.level ?? 'full';
  if (level !== 'header') checkCoefficients(zkey.sections.coefficients.subarray(4), 0, header);
  if (level === 'full') checkZkeyPoints(zkey, 'zkey_invalid');
  return zkey;
}

/** The file of these parts, sections in order of their ids. What is not consistent, `parseZkey` will say. */
export function writeZkey(zkey: Zkey): Uint8Array {
  const { header, sections } = zkey;
  const protocol = new Uint8Array(4);
  viewOf(protocol).setUint32(0, GROTH16, true);
  const numbers = new Uint8Array(2 * (4 + SCALAR_BYTES) + 12);
  const view = viewOf(numbers);
  view.setUint32(0, SCALAR_BYTES, true);
  writeInteger(view, 4, Q);
  view.setUint32(36, SCALAR_BYTES, true);
  writeInteger(view, 40, R);
  view.setUint32(72, header.wires, true);
  view.setUint32(76, header.publics, true);
  view.setUint32(80, header.domainSize, true);
  const headerSection = Buffer.concat([
    numbers,
    g1ToMontgomery([header.alpha1, header.beta1]),
    g2ToMontgomery([header.beta2, header.gamma2]),
    g1ToMontgomery([header.delta1]),
    g2ToMontgomery([header.delta2]),
  ]);
  return writeContainer(ZKEY_FORMAT, [
    [1, protocol],
    [2, headerSection],
    [3, sections.ic],
    [4, sections.coefficients],
    [5, sections.a],
    [6, sections.b1],
    [7, sections.b2],
    [8, sections.c],
    [9, sections.h],
    ...(sections.contributions === undefined ? [] : [[10, sections.contributions] as const]),
  ]);
}
