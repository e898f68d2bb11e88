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
import { type G1Point, type G2Point, TWO_ADICITY } from '../reference/index.ts';
import {
  type ContainerFormat,
  readContainer,
  requireSection,
  SectionReader,
  viewOf,
  writeContainer,
} from './container.ts';
import {
  COEFFICIENT_BYTES,
  G1_BYTES,
  G2_BYTES,
  g1ToMontgomery,
  g2ToMontgomery,
  readG1Montgomery,
  readG2Montgomery,
  readInteger,
  SCALAR_BYTES,
  writeInteger,
} from './field-bytes.ts';
import { checkZkeyPoints } from './zkey-points.ts';

export const ZKEY_FORMAT: ContainerFormat = {
  magic: 'zkey',
  version: 1,
  sections: {
    1: 'protocol',
    2: 'header',
    3: 'IC points',
    4: 'coefficients',
    5: 'A points',
    6: 'B1 points',
    7: 'B2 points',
    8: 'C points',
    9: 'H points',
    10: 'contributions',
  },
  code: 'zkey_invalid',
};

const GROTH16 = 1;
/** The points of the header. `null` is infinity, which no sound key has, but a parser can meet. */
export interface ZkeyHeader {
  readonly wires: number;
  /** Public signals, without the constant. */
  readonly publics: number;
  readonly domainSize: number;
  readonly alpha1: G1Point;
  readonly beta1: G1Point;
  readonly beta2: G2Point;
  readonly gamma2: G2Point;
  readonly delta1: G1Point;
  readonly delta2: G2Point;
}

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
  const protocol = new SectionReader(sections, 1, ZKEY_FORMAT);
  const protocolId = protocol.u32();
  if (protocolId !== GROTH16) protocol.refuse(`is ${protocolId}; only Groth16 (1) is supported`);
  protocol.end();

  const header = readHeader(new SectionReader(sections, 2, ZKEY_FORMAT));
  const sized = (id: number, count: number, size: number): Uint8Array => {
    const section = requireSection(sections, id, ZKEY_FORMAT);
    if (section.length !== count * size) {
      new SectionReader(sections, id, ZKEY_FORMAT).refuse(
        `have ${section.length} bytes, not the ${count * size} that the header asks for`,
      );
    }
    return section;
  };
  const contributions = sections.get(10);
  const zkey: Zkey = {
    header,
    sections: {
      ic: sized(3, header.publics + 1, G1_BYTES),
      coefficients: requireSection(sections, 4, ZKEY_FORMAT),
      a: sized(5, header.wires, G1_BYTES),
      b1: sized(6, header.wires, G1_BYTES),
      b2: sized(7, header.wires, G2_BYTES),
      c: sized(8, header.wires - header.publics - 1, G1_BYTES),
      h: sized(9, header.domainSize, G1_BYTES),
      ...(contributions === undefined ? {} : { contributions }),
    },
  };
  const level = options.level ?? 'full';
  checkCoefficients(new SectionReader(sections, 4, ZKEY_FORMAT), header, level);
  if (level === 'full') checkZkeyPoints(zkey, 'zkey_invalid');
  return zkey;
}

function readHeader(reader: SectionReader): ZkeyHeader {
  for (const [name, modulus] of [
    ['q', Q],
    ['r', R],
  ] as const) {
    const size = reader.u32();
    if (size !== SCALAR_BYTES) reader.refuse(`has a modulus ${name} of ${size} bytes; BN254's has 32`);
    if (readInteger(viewOf(reader.take(SCALAR_BYTES)), 0) !== modulus) {
      reader.refuse(`names another modulus ${name} than BN254's`);
    }
  }
  const wires = reader.u32();
  const publics = reader.u32();
  const domainSize = reader.u32();
  const domainBits = Math.log2(domainSize);
  if (!Number.isInteger(domainBits) || domainBits < 1 || domainBits > TWO_ADICITY) {
    reader.refuse(`has a domain of ${domainSize}; it must be a power of two from 2 to 2^${TWO_ADICITY}`);
  }
  if (publics + 1 > wires) reader.refuse(`has ${publics} public signals, but only ${wires} wires`);
  if (publics + 1 > domainSize)
    reader.refuse(`has ${publics} public signals, too many for its domain of ${domainSize}`);
  const g1 = (name: string): G1Point => {
    const point = readG1Montgomery(viewOf(reader.take(G1_BYTES)), 0);
    return point === undefined ? reader.refuse(`has a coordinate of ${name} that is not below q`) : point;
  };
  const g2 = (name: string): G2Point => {
    const point = readG2Montgomery(viewOf(reader.take(G2_BYTES)), 0);
    return point === undefined ? reader.refuse(`has a coordinate of ${name} that is not below q`) : point;
  };
  const header: ZkeyHeader = {
    wires,
    publics,
    domainSize,
    alpha1: g1('alpha1'),
    beta1: g1('beta1'),
    beta2: g2('beta2'),
    gamma2: g2('gamma2'),
    delta1: g1('delta1'),
    delta2: g2('delta2'),
  };
  reader.end();
  return header;
}

function checkCoefficients(reader: SectionReader, header: ZkeyHeader, level: ZkeyLevel): void {
  const count = reader.u32();
  if (reader.left !== count * COEFFICIENT_BYTES) {
    reader.refuse(`claim ${count} entries of ${COEFFICIENT_BYTES} bytes, but have ${reader.left} bytes`);
  }
  if (level === 'header') return;
  const view = viewOf(reader.bytes);
  for (let i = 0, at = 4; i < count; i++, at += COEFFICIENT_BYTES) {
    if (view.getUint32(at, true) > 1) reader.refuse(`name a matrix other than A or B in entry ${i}`);
    if (view.getUint32(at + 4, true) >= header.domainSize) reader.refuse(`name a row outside the domain in entry ${i}`);
    if (view.getUint32(at + 8, true) >= header.wires) reader.refuse(`name a wire that is not there in entry ${i}`);
    if (readInteger(view, at + 12) >= R) reader.refuse(`hold a value that is not below r in entry ${i}`);
  }
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
