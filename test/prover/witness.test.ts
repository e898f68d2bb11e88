import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { compileCircuit, merkleSource } from '../../src/prover/circuits/index.ts';
import { parseWtns, witnessValue } from '../../src/prover/formats/index.ts';
import { type Hash2, merkleInput, SmallMerkleTree } from '../../src/prover/merkle/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import type { CircuitInput } from '../../src/prover/types.ts';
import { encodeWtns, WitnessProgram } from '../../src/prover/witness/index.ts';
import { isRefusal } from '../support/refusals.ts';
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';

/** Two scalar inputs and a two-dimensional one; logs what it must not show; fails unless a = 3. */
const LOUD = `pragma circom 2.1.6;
template Grid() { signal input grid[2][3]; signal output sum; var s = 0;
  for (var i = 0; i < 2; i++) { for (var j = 0; j < 3; j++) { s += grid[i][j]; } } sum <== s; }
template Main() { signal input a; signal input b; signal input grid[2][3]; signal output out; signal output total;
  log("secret", a, b); a === 3; out <== a * b; total <== Grid()(grid); }
component main {public [b]} = Main();`;

const GRID = [
  ['1', '2', '3'],
  ['4', '5', '6'],
];
const GOOD: CircuitInput = { a: '3', b: '0x0a', grid: GRID };

let loud: Uint8Array;
let merkle: Uint8Array;
let hash: Hash2;

before(async () => {
  hash = await poseidon2();
  loud = (await compileCircuit({ text: LOUD })).wasm;
  merkle = (await compileCircuit(merkleSource(3))).wasm;
});
after(closeSnarkjs);

/** snarkjs's witness file for the same program and input. */
async function snarkjsWtns(wasm: Uint8Array, input: CircuitInput): Promise<Uint8Array> {
  const { wtns } = (await import('snarkjs')) as unknown as {
    wtns: { calculate(input: CircuitInput, wasm: unknown, out: { type: 'mem'; data?: Uint8Array }): Promise<void> };
  };
  const out: { type: 'mem'; data?: Uint8Array } = { type: 'mem' };
  await wtns.calculate(input, { type: 'mem', data: Uint8Array.from(wasm) }, out);
  return out.data as Uint8Array;
}

describe('a witness', () => {
  it("is snarkjs's, byte for byte", async () => {
    assert.deepEqual(
      Buffer.from(encodeWtns(new WitnessProgram(loud).run(GOOD))),
      Buffer.from(await snarkjsWtns(loud, GOOD)),
    );
    const tree = new SmallMerkleTree(hash, [5n, R - 1n, 7n], 3);
    const program = new WitnessProgram(merkle);
    for (const leafIndex of [0, 1, 2]) {
      const leaf = [5n, R - 1n, 7n][leafIndex] as bigint;
      const input = merkleInput({ leaf, leafIndex, externalHash: 2n ** 200n, path: tree.path(leafIndex) });
      assert.deepEqual(Buffer.from(encodeWtns(program.run(input))), Buffer.from(await snarkjsWtns(merkle, input)));
    }
  });

  it('is read back by the strict parser', () => {
    const witness = new WitnessProgram(loud).run(GOOD);
    const parsed = parseWtns(encodeWtns(witness));
    assert.equal(parsed.wires, witness.wires);
    assert.deepEqual(
      [1, 2, 3].map((wire) => witnessValue(parsed, wire)),
      [30n, 21n, 10n],
    );
  });

  it('is the same from an instance that was used before, that failed before, and from a fresh one', () => {
    const program = new WitnessProgram(loud);
    const first = encodeWtns(program.run(GOOD));
    assert.throws(() => program.run({ ...GOOD, a: '4' }), isRefusal('unsatisfied_constraint'));
    const other = program.run({ ...GOOD, b: '11' });
    assert.equal(witnessValue(other, 1), 33n);
    assert.deepEqual(program.run(GOOD).values, parseWtns(first).values);
    assert.deepEqual(new WitnessProgram(loud).run(GOOD).values, parseWtns(first).values);
  });

  it('comes from as little memory as the program declares', () => {
    const before = process.memoryUsage().rss;
    const programs = Array.from({ length: 10 }, () => new WitnessProgram(loud));
    for (const program of programs) program.run(GOOD);
    const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20;
    assert.ok(grownMiB < 400, `ten programs took ${grownMiB} MiB`);
  });
});

describe('inputs', () => {
  const refused = (input: unknown, message: RegExp): void => {
    assert.throws(() => new WitnessProgram(loud).run(input as CircuitInput), isRefusal('invalid_input', message));
  };

  it('are refused by name when they are unknown, missing, too few or too many', () => {
    refused({ ...GOOD, c: '1' }, /^c is not an input/);
    refused({ ...GOOD, 'main.a': '1' }, /^main\.a is not an input/);
    refused({ a: '3', b: '1' }, /a signal is missing \(given: a, b\)/);
    refused({}, /a signal is missing/);
    refused({ ...GOOD, a: ['3', '4'] }, /^a has more values than the 1/);
    refused({ ...GOOD, a: [] }, /^a has 0 values/);
    refused({ ...GOOD, grid: GRID.slice(1) }, /^grid has 3 values; the circuit takes 6/);
    refused({ ...GOOD, grid: [...GRID, ...GRID] }, /^grid has more values/);
    let deep: unknown = '3';
    for (let i = 0; i < 1000; i++) deep = [deep];
    refused({ ...GOOD, a: deep }, /^a nests/);
    for (const none of [null, [], 'a', 3]) refused(none, /object of signals/);
  });

  it('are refused by name when they are not canonical elements, never reduced', () => {
    for (const a of [R.toString(), `0x${R.toString(16)}`, '-1', '03', '3.0', ' 3', '', 'x', 'NaN', '1e3']) {
      refused({ ...GOOD, a }, /^a is /);
    }
    for (const a of [true, null, {}, -3, 3.5, 2 ** 53, Number.NaN]) refused({ ...GOOD, a }, /^a is /);
    refused({ ...GOOD, grid: [GRID[0], ['4', R.toString(), '6']] }, /^grid\[4\] is not below r/);
  });

  it('may be flat or nested lists, decimal or hexadecimal, and whole JSON numbers', () => {
    const program = new WitnessProgram(loud);
    const same = program.run(GOOD).values;
    assert.deepEqual(program.run({ ...GOOD, grid: GRID.flat() }).values, same);
    assert.deepEqual(program.run({ ...GOOD, a: 3, b: 10 } as unknown as CircuitInput).values, same);
    assert.equal(witnessValue(program.run({ ...GOOD, b: (R - 1n).toString() }), 1), R - 3n);
  });
});

describe('a failed constraint', () => {
  it('is told by template and line, without any value', () => {
    const message = /in template Main, line 5, fails$/;
    const program = new WitnessProgram(loud);
    assert.throws(() => program.run({ ...GOOD, a: '123456789' }), isRefusal('unsatisfied_constraint', message));
    assert.throws(
      () => program.run({ ...GOOD, a: '123456789' }),
      (thrown: Error) => !/123456789/.test(`${thrown.message} ${thrown.stack}`),
    );
  });
});

describe('what a circuit logs', () => {
  it('is shown to nobody', (test) => {
    const written: string[] = [];
    for (const stream of [process.stdout, process.stderr]) {
      test.mock.method(stream, 'write', (chunk: unknown) => {
        written.push(String(chunk));
        return true;
      });
    }
    new WitnessProgram(loud).run(GOOD);
    test.mock.restoreAll();
    assert.ok(!written.join('').includes('secret'), written.join(''));
  });
});

describe('a witness program', () => {
  const foreign = (wasm: Uint8Array, message?: RegExp): void => {
    assert.throws(() => new WitnessProgram(wasm), isRefusal('circuit_wasm_invalid', message));
  };

  it('is refused when it is empty, truncated anywhere, or no WebAssembly', () => {
    foreign(new Uint8Array());
    foreign(new TextEncoder().encode('(module)'));
    for (const part of [0.001, 0.1, 0.5, 0.9, 0.999]) foreign(loud.subarray(0, Math.floor(loud.length * part)));
    foreign(loud.subarray(0, loud.length - 1));
  });

  it('is refused when it is a module of something else', () => {
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    foreign(empty, /does not export getVersion/);
    // (module (import "env" "system" (func)))
    const importing = [2, 14, 1, 3, 0x65, 0x6e, 0x76, 6, 0x73, 0x79, 0x73, 0x74, 0x65, 0x6d, 0, 0];
    foreign(Uint8Array.from([...empty, 1, 4, 1, 0x60, 0, 0, ...importing]), /imports env\.system/);
  });

  it('is refused when it computes modulo another prime', () => {
    // r, as the program holds it: little-endian words of its data section.
    const bytes = Buffer.from(loud);
    const r = Buffer.from(R.toString(16).padStart(64, '0'), 'hex').reverse();
    let at = bytes.indexOf(r);
    assert.ok(at > 0);
    for (; at >= 0; at = bytes.indexOf(r, at + 1)) bytes[at] = (bytes[at] as number) ^ 2;
    foreign(bytes, /another prime/);
  });
});
