/**
 * A circuit written by hand, of any size, so that tests of keys need no compiler.
 *
 * With public output `out`, public input `tag`, private input x and inner wires y_i:
 *   (x + 1) x = y_0,   (y_(i-1) + i) (y_(i-1) + 2 tag) = y_i,   1 (y_last + tag) = out
 * and one wire that occurs in no row, as circom's unused inputs do: its points are infinity.
 */
import {
  type ContainerFormat,
  R1CS_FORMAT,
  viewOf,
  writeContainer,
  writeInteger,
} from '../../src/prover/formats/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';

export type Terms = readonly (readonly [wire: number, coefficient: bigint])[];
export type Row = readonly [a: Terms, b: Terms, c: Terms];

export interface PlainR1cs {
  readonly wires: number;
  readonly outputs: number;
  readonly publicInputs: number;
  readonly privateInputs: number;
  readonly rows: readonly Row[];
  readonly prime?: bigint;
}

export function writeR1cs(
  r1cs: PlainR1cs,
  format: Pick<ContainerFormat, 'magic' | 'version'> = R1CS_FORMAT,
): Uint8Array {
  const header = new Uint8Array(64);
  const view = viewOf(header);
  view.setUint32(0, 32, true);
  writeInteger(view, 4, r1cs.prime ?? Fr.modulus);
  [r1cs.wires, r1cs.outputs, r1cs.publicInputs, r1cs.privateInputs].forEach((value, i) => {
    view.setUint32(36 + 4 * i, value, true);
  });
  view.setBigUint64(52, BigInt(r1cs.wires), true);
  view.setUint32(60, r1cs.rows.length, true);
  const size = r1cs.rows.flat().reduce((sum, terms) => sum + 4 + 36 * terms.length, 0);
  const rows = new Uint8Array(size);
  const rowsView = viewOf(rows);
  let at = 0;
  for (const terms of r1cs.rows.flat()) {
    rowsView.setUint32(at, terms.length, true);
    at += 4;
    for (const [wire, coefficient] of terms) {
      rowsView.setUint32(at, wire, true);
      writeInteger(rowsView, at + 4, coefficient);
      at += 36;
    }
  }
  const labels = new Uint8Array(8 * r1cs.wires);
  // circom writes the constraints first.
  return writeContainer(format, [
    [2, rows],
    [1, header],
    [3, labels],
  ]);
}

export interface ChainCircuit {
  readonly r1cs: Uint8Array;
  readonly publics: 2;
  witness(x: bigint, tag: bigint): bigint[];
}

export function chainCircuit(steps: number): ChainCircuit {
  const [ONE, OUT, TAG, X, UNUSED, Y] = [0, 1, 2, 3, 4, 5] as const;
  const rows: Row[] = [
    [
      [
        [X, 1n],
        [ONE, 1n],
      ],
      [[X, 1n]],
      [[Y, 1n]],
    ],
  ];
  for (let i = 1; i < steps; i++) {
    const previous = Y + i - 1;
    // A wire given twice in one row counts twice.
    rows.push([
      [
        [previous, 1n],
        [ONE, BigInt(i)],
      ],
      [
        [previous, 1n],
        [TAG, 1n],
        [TAG, 1n],
      ],
      [[Y + i, 1n]],
    ]);
  }
  rows.push([
    [[ONE, 1n]],
    [
      [Y + steps - 1, 1n],
      [TAG, 1n],
    ],
    [[OUT, 1n]],
  ]);
  return {
    r1cs: writeR1cs({ wires: Y + steps, outputs: 1, publicInputs: 1, privateInputs: 2, rows }),
    publics: 2,
    witness(x, tag) {
      const wires = new Array<bigint>(Y + steps).fill(0n);
      wires[ONE] = 1n;
      wires[TAG] = tag;
      wires[X] = x;
      wires[UNUSED] = 99n;
      let y = Fr.mul(Fr.add(x, 1n), x);
      wires[Y] = y;
      for (let i = 1; i < steps; i++) {
        y = Fr.mul(Fr.add(y, BigInt(i)), Fr.create(y + 2n * tag));
        wires[Y + i] = y;
      }
      wires[OUT] = Fr.add(y, tag);
      return wires;
    },
  };
}
