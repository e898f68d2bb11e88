/**
 * A witness as snarkjs's wtns file, version 2: header (element size, r, count) and values, all little-endian.
 */
import { R } from '../../common/index.ts';
import type { Witness } from '../formats/index.ts';

const ELEMENT_BYTES = 32;
const HEADER_SECTION = 1;
const VALUES_SECTION = 2;
const HEADER_BYTES = 4 + ELEMENT_BYTES + 4;
const PREFIX_BYTES = 4 + 4 + 4;
const SECTION_HEAD_BYTES = 4 + 8;

export function encodeWtns(witness: Witness): Uint8Array {
  const { wires, values } = witness;
  const out = new Uint8Array(PREFIX_BYTES + SECTION_HEAD_BYTES + HEADER_BYTES + SECTION_HEAD_BYTES + values.length);
  const view = new DataView(out.buffer);
  out.set([0x77, 0x74, 0x6e, 0x73]); // "wtns"
  view.setUint32(4, 2, true);
  view.setUint32(8, 2, true);
  let at = PREFIX_BYTES;
  const section = (id: number, bytes: number): void => {
    view.setUint32(at, id, true);
    view.setBigUint64(at + 4, BigInt(bytes), true);
    at += SECTION_HEAD_BYTES;
  };
  section(HEADER_SECTION, HEADER_BYTES);
  view.setUint32(at, ELEMENT_BYTES, true);
  for (let word = 0; word < 4; word++) {
    view.setBigUint64(at + 4 + word * 8, BigInt.asUintN(64, R >> BigInt(64 * word)), true);
  }
  view.setUint32(at + 4 + ELEMENT_BYTES, wires, true);
  at += HEADER_BYTES;
  section(VALUES_SECTION, values.length);
  out.set(values, at);
  return out;
}
