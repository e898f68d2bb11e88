/**
 * .wtns, version 2: the value of every wire, as circom's witness program or snarkjs writes it.
 *
 * A witness is secret. Nothing here copies, prints or quotes a value of it; messages name positions only.
 */
import { R } from '../../common/index.ts';
import { type ContainerFormat, readContainer, SectionReader, viewOf, writeContainer } from './container.ts';
import { readInteger, SCALAR_BYTES, writeInteger } from './field-bytes.ts';

export const WTNS_FORMAT: ContainerFormat = {
  magic: 'wtns',
  version: 2,
  sections: { 1: 'header', 2: 'values' },
  code: 'wtns_invalid',
};

export interface Witness {
  readonly wires: number;
  /** 32 bytes a wire, little-endian, plain form, each below r; a view of the file. */
  readonly values: Uint8Array;
}

/** Checks lengths, the field, that every value is below r, and that wire 0 is one. */
export function parseWtns(bytes: Uint8Array): Witness {
  const sections = readContainer(bytes, WTNS_FORMAT);
  const header = new SectionReader(sections, 1, WTNS_FORMAT);
  const scalarBytes = header.u32();
  if (scalarBytes !== SCALAR_BYTES) header.refuse(`has field elements of ${scalarBytes} bytes; BN254 has 32`);
  if (readInteger(viewOf(header.take(SCALAR_BYTES)), 0) !== R) header.refuse('names another prime than BN254');
  const wires = header.u32();
  header.end();
  const reader = new SectionReader(sections, 2, WTNS_FORMAT);
  if (wires < 1) header.refuse('has no wires');
  if (reader.bytes.length !== wires * SCALAR_BYTES) {
    reader.refuse(`are ${reader.bytes.length} bytes, not 32 for each of ${wires} wires`);
  }
  const view = viewOf(reader.bytes);
  for (let wire = 0; wire < wires; wire++) {
    if (readInteger(view, wire * SCALAR_BYTES) >= R) reader.refuse(`are not all below r: wire ${wire}`);
  }
  if (readInteger(view, 0) !== 1n) reader.refuse('do not begin with the constant one');
  return { wires, values: reader.bytes };
}

/** The value of one wire; `wire` must be below `witness.wires`. */
export function witnessValue(witness: Witness, wire: number): bigint {
  return readInteger(viewOf(witness.values), wire * SCALAR_BYTES);
}

/** Writes values that are canonical already, the constant one first. */
export function writeWtns(values: readonly bigint[]): Uint8Array {
  const header = new Uint8Array(4 + SCALAR_BYTES + 4);
  const view = viewOf(header);
  view.setUint32(0, SCALAR_BYTES, true);
  writeInteger(view, 4, R);
  view.setUint32(4 + SCALAR_BYTES, values.length, true);
  const payload = new Uint8Array(values.length * SCALAR_BYTES);
  const payloadView = viewOf(payload);
  values.forEach((value, wire) => {
    writeInteger(payloadView, wire * SCALAR_BYTES, value);
  });
  return writeContainer(WTNS_FORMAT, [
    [1, header],
    [2, payload],
  ]);
}
