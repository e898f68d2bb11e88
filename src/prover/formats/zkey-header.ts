/**
 * What every reader of a zkey shares, whether it holds the file in memory or reads it piece by piece: the header, the
 * sizes that follow from it, and the check of coefficients.
 */
import { Q, R, ZkraftError } from '../../common/index.ts';
import { type G1Point, type G2Point, TWO_ADICITY } from '../reference/index.ts';
import { type ContainerFormat, SectionReader, viewOf } from './container.ts';
import {
  COEFFICIENT_BYTES,
  G1_BYTES,
  G2_BYTES,
  readG1Montgomery,
  readG2Montgomery,
  readInteger,
  SCALAR_BYTES,
} from './field-bytes.ts';

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

/** The protocol's number. */
export const GROTH16 = 1;
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

/** Sections by the names they have here; `ZKEY_FORMAT` has the names for messages. */
export const ZKEY_SECTION_IDS = { ic: 3, coefficients: 4, a: 5, b1: 6, b2: 7, c: 8, h: 9, contributions: 10 } as const;
export type ZkeySectionName = keyof typeof ZKEY_SECTION_IDS;
export type ZkeyPointSection = Exclude<ZkeySectionName, 'coefficients' | 'contributions'>;

/** Of protocol and header, exactly: no other length is read. */
export const ZKEY_HEADER_SECTION_BYTES = {
  1: 4,
  2: 2 * (4 + SCALAR_BYTES) + 12 + 3 * G1_BYTES + 3 * G2_BYTES,
} as const;

/** From the payloads of the first two sections. */
export function readZkeyHeader(sections: ReadonlyMap<number, Uint8Array>): ZkeyHeader {
  const protocol = new SectionReader(sections, 1, ZKEY_FORMAT);
  const protocolId = protocol.u32();
  if (protocolId !== GROTH16) protocol.refuse(`is ${protocolId}; only Groth16 (1) is supported`);
  protocol.end();
  return readHeader(new SectionReader(sections, 2, ZKEY_FORMAT));
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

/** How many points the header asks for, and of which size. */
export function pointsOf(
  header: ZkeyHeader,
  name: ZkeyPointSection,
): { readonly count: number; readonly bytes: number } {
  switch (name) {
    case 'ic':
      return { count: header.publics + 1, bytes: G1_BYTES };
    case 'b2':
      return { count: header.wires, bytes: G2_BYTES };
    case 'c':
      return { count: header.wires - header.publics - 1, bytes: G1_BYTES };
    case 'h':
      return { count: header.domainSize, bytes: G1_BYTES };
    default:
      return { count: header.wires, bytes: G1_BYTES };
  }
}

export const ZKEY_POINT_SECTIONS = ['ic', 'a', 'b1', 'b2', 'c', 'h'] as const satisfies readonly ZkeyPointSection[];

/**
 * Throws `zkey_invalid` unless each section has the length that the header asks for. `coefficients` is that section's
 * count, its first four bytes.
 */
export function checkZkeySizes(
  header: ZkeyHeader,
  coefficients: number,
  bytesOf: (id: number) => number | undefined,
): void {
  for (const name of ZKEY_POINT_SECTIONS) {
    const { count, bytes } = pointsOf(header, name);
    const found = bytesOf(ZKEY_SECTION_IDS[name]);
    if (found === undefined) refuseSection(name, 'are missing');
    if (found !== count * bytes) {
      refuseSection(name, `have ${found} bytes, not the ${count * bytes} that the header asks for`);
    }
  }
  const found = (bytesOf(ZKEY_SECTION_IDS.coefficients) ?? 0) - 4;
  if (found !== coefficients * COEFFICIENT_BYTES) {
    const claim = `claim ${coefficients} entries of ${COEFFICIENT_BYTES} bytes, but have ${found} bytes`;
    refuseSection('coefficients', claim);
  }
}

/** Entries of the coefficient section, the first of which is number `first` there. Throws `zkey_invalid`. */
export function checkCoefficients(entries: Uint8Array, first: number, header: ZkeyHeader): void {
  const view = viewOf(entries);
  for (let i = first, at = 0; at < entries.length; i++, at += COEFFICIENT_BYTES) {
    const refuse = (why: string): never => refuseSection('coefficients', `${why} in entry ${i}`);
    if (view.getUint32(at, true) > 1) refuse('name a matrix other than A or B');
    if (view.getUint32(at + 4, true) >= header.domainSize) refuse('name a row outside the domain');
    if (view.getUint32(at + 8, true) >= header.wires) refuse('name a wire that is not there');
    if (readInteger(view, at + 12) >= R) refuse('hold a value that is not below r');
  }
}

function refuseSection(name: ZkeySectionName, why: string): never {
  const field = ZKEY_FORMAT.sections[ZKEY_SECTION_IDS[name]] ?? name;
  throw new ZkraftError('zkey_invalid', `the .zkey file: its ${field} ${why}`, { field });
}
