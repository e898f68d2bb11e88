import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type CompiledCircuit, compileCircuit, merkleSource } from '../../src/prover/circuits/index.ts';
import { parseR1cs, visitTerms } from '../../src/prover/formats/index.ts';
import {
  depthFor,
  explainMerkle,
  type Hash2,
  LISTED_DEPTHS,
  merkleInput,
  merkleWires,
  SmallMerkleTree,
} from '../../src/prover/merkle/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import type { CircuitInput } from '../../src/prover/types.ts';
import { WitnessProgram } from '../../src/prover/witness/index.ts';
import { temporaryDir } from '../support/merkle-circuits.ts';
import { isRefusal, refusalCode } from '../support/refusals.ts';

const DEPTH = 2;
const SOURCE = readFileSync(new URL('../../circuits/merkle/merkle-inclusion.circom', import.meta.url), 'utf8');

let hash: Hash2;
let real: CompiledCircuit;

before(async () => {
  hash = await poseidon2();
  real = await compileCircuit(merkleSource(DEPTH));
});

/** The circuit with one piece of its text replaced. */
async function without(text: string, instead = ''): Promise<CompiledCircuit> {
  assert.ok(SOURCE.includes(text), `the circuit has "${text}"`);
  const main = `component main {public [root, externalHash]} = MerkleInclusion(${DEPTH});`;
  return await compileCircuit({ text: `${SOURCE.replace(text, instead)}\n${main}\n` });
}

const accepts = (circuit: CompiledCircuit, input: CircuitInput): boolean =>
  refusalCode(() => new WitnessProgram(circuit.wasm).run(input)) === undefined;

describe('the Merkle circuit', () => {
  it('costs 242 constraints a level and two more, all of them products', () => {
    assert.equal(parseR1cs(real.r1cs).constraints, 242 * DEPTH + 2);
    assert.equal(parseR1cs(real.r1cs).publics, 2);
  });

  it('refuses zero, which anybody could prove, and would not without the constraint', async () => {
    // Position 3 of a tree of three leaves holds the padding: an honest path to a leaf that nobody put there.
    const leaves = [5n, 6n, 7n];
    const tree = new SmallMerkleTree(hash, leaves, DEPTH);
    const path = { root: tree.root, siblings: [7n, hash(5n, 6n)] };
    const forged = merkleInput({ leaf: 0n, leafIndex: 3, externalHash: 0n, path });
    assert.ok(!accepts(real, forged));
    assert.ok(accepts(await without('NonZero()(leaf);'), forged), 'the attack is a real one');
  });

  it('refuses path bits that are no bits, by which any leaf could be proved, and would not without the constraint', async () => {
    const tree = new SmallMerkleTree(hash, [5n, 6n, 7n], DEPTH);
    // left = node + b (sibling - node) is 5 for node = 100, sibling = -89, b = 95/189: then right is 6.
    const P = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
    const inverse = (a: bigint): bigint => power(((a % P) + P) % P, P - 2n);
    const power = (base: bigint, exponent: bigint): bigint =>
      exponent === 0n ? 1n : (power((base * base) % P, exponent >> 1n) * (exponent & 1n ? base : 1n)) % P;
    const leaf = 100n;
    const sibling = (((5n + 6n - leaf) % P) + P) % P;
    const bit = ((((5n - leaf) * inverse(sibling - leaf)) % P) + P) % P;
    const forged: CircuitInput = {
      root: tree.root.toString(),
      externalHash: '0',
      leaf: leaf.toString(),
      siblings: [sibling.toString(), hash(7n, 0n).toString()],
      pathBits: [bit.toString(), '0'],
    };
    assert.ok(!accepts(real, forged));
    assert.ok(accepts(await without('pathBit * (1 - pathBit) === 0;'), forged), 'the attack is a real one');
  });

  it('refuses a path that does not lead to the root, and would not without the constraint', async () => {
    const tree = new SmallMerkleTree(hash, [5n, 6n, 7n], DEPTH);
    const forged = merkleInput({ leaf: 8n, leafIndex: 1, externalHash: 0n, path: tree.path(1) });
    const program = new WitnessProgram(real.wasm);
    assert.throws(() => program.run(forged, { explain: explainMerkle }), isRefusal('wrong_path', /lead to the root/));
    assert.ok(accepts(await without('TopIsRoot()(node[depth], root);'), forged), 'the attack is a real one');
  });

  it('binds externalHash: it occurs in a constraint, and would not without the square', async () => {
    const occurs = (circuit: CompiledCircuit, wire: number): boolean => {
      let found = false;
      visitTerms(parseR1cs(circuit.r1cs), (_matrix, _row, at) => {
        found ||= at === wire;
      });
      return found;
    };
    assert.ok(occurs(real, merkleWires(DEPTH).externalHash));
    const loose = await without('signal externalHashSquared <== externalHash * externalHash;');
    assert.ok(!occurs(loose, merkleWires(DEPTH).externalHash));
    assert.ok(occurs(loose, merkleWires(DEPTH).root), 'this test sees wires that do occur');
  });

  it('has its inputs where merkleWires says, at every listed depth and the smallest', async () => {
    for (const depth of [1, ...LISTED_DEPTHS]) {
      const { symbols, r1cs } = await compileCircuit(merkleSource(depth));
      const wireOf = new Map(symbols.split('\n').map((line) => [line.split(',')[3], Number(line.split(',')[1])]));
      const wires = merkleWires(depth);
      assert.equal(wireOf.get('main.root'), wires.root);
      assert.equal(wireOf.get('main.externalHash'), wires.externalHash);
      assert.equal(wireOf.get('main.leaf'), wires.leaf);
      for (let level = 0; level < depth; level++) {
        assert.equal(wireOf.get(`main.siblings[${level}]`), wires.siblings[level]);
        assert.equal(wireOf.get(`main.pathBits[${level}]`), wires.pathBits[level]);
      }
      assert.equal(parseR1cs(r1cs).constraints, 242 * depth + 2);
    }
  });
});

describe('compiling', () => {
  let dir: string;
  before(async () => {
    dir = await temporaryDir();
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('gives the same bytes each time, and leaves the main thread free', async () => {
    const started = performance.now();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    const again = await compileCircuit(merkleSource(DEPTH));
    clearInterval(timer);
    const possible = (performance.now() - started) / 10;
    assert.ok(ticks > possible / 3, `${ticks} ticks of about ${possible}`);
    assert.deepEqual(Buffer.from(again.r1cs), Buffer.from(real.r1cs));
    assert.deepEqual(Buffer.from(again.wasm), Buffer.from(real.wasm));
    assert.equal(again.symbols, real.symbols);
  });

  it("takes any circom file, with includes beside it, in include paths and in circomlib's folder", async () => {
    await mkdir(join(dir, 'shared'));
    await writeFile(
      join(dir, 'half.circom'),
      'pragma circom 2.1.6; template Half() { signal input a; signal output b; b <-- a / 2; b + b === a; }',
    );
    await writeFile(
      join(dir, 'shared', 'one.circom'),
      'pragma circom 2.1.6; template One() { signal output o; o <== 1; }',
    );
    const file = join(dir, 'my circuit.circom');
    await writeFile(
      file,
      `pragma circom 2.1.6;
include "half.circom"; include "one.circom"; include "comparators.circom";
template Mine() {
  signal input a; signal output less; signal output half;
  half <== Half()(a); signal one <== One()(); less <== LessThan(8)([one, a]);
}
component main = Mine();`,
    );
    const { wasm, symbols } = await compileCircuit({ file, includePaths: [join(dir, 'shared')] });
    const { values } = new WitnessProgram(wasm).run({ a: '6' });
    assert.equal(values[32], 1);
    assert.equal(values[64], 3);
    assert.match(symbols, /^1,1,\d+,main\.less$/m);
  });

  it("refuses with the compiler's own words", async () => {
    const main = 'component main = A();';
    const cases: readonly (readonly [string, RegExp])[] = [
      [`pragma circom 2.1.6; template A() { signal input a; a === ; } ${main}`, /illegal expression/],
      [`pragma circom 2.1.6; include "nowhere.circom"; template A() {} ${main}`, /nowhere\.circom/],
      [`pragma circom 2.1.6; template A() { signal input a; signal output b; b <== a * a * a; } ${main}`, /quadratic/i],
      ['pragma circom 2.1.6; template A() {}', /main/],
      [`${SOURCE}\ncomponent main {public [root, externalHash]} = MerkleInclusion(33);`, /assert/i],
      ['', /main|pragma/],
    ];
    for (const [text, words] of cases)
      await assert.rejects(compileCircuit({ text }), isRefusal('compile_failed', words));
    await assert.rejects(
      compileCircuit({ file: join(dir, 'none.circom') }),
      isRefusal('file_not_found', /none\.circom/),
    );
    await assert.rejects(compileCircuit({}), isRefusal('invalid_request'));
  });

  it('can be cancelled', async () => {
    const stop = new AbortController();
    const compiling = compileCircuit(merkleSource(32), { signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    await assert.rejects(compiling, isRefusal('cancelled'));
    await assert.rejects(compileCircuit(merkleSource(1), { signal: stop.signal }), isRefusal('cancelled'));
  });
});

describe('the depth of a task', () => {
  it('is the one requested, else the default if the leaves fit, else the smallest listed that fits', () => {
    assert.equal(depthFor(5, 3), 3);
    assert.equal(depthFor(5, 31), 31);
    assert.equal(depthFor(5), 8);
    assert.equal(depthFor(256), 8);
    assert.equal(depthFor(257), 16);
    assert.equal(depthFor(5, undefined, 4), 4);
    assert.equal(depthFor(17, undefined, 4), 8);
    assert.equal(depthFor(1000, undefined, 12), 12);
    assert.equal(depthFor(2 ** 16 + 1), 20);
  });

  it('is refused when it is none, or too small for the leaves', () => {
    for (const depth of [0, 33, -1, 2.5, Number.NaN]) {
      assert.throws(() => depthFor(1, depth), isRefusal('invalid_depth', /1 to 32/));
    }
    assert.throws(() => depthFor(9, 3), isRefusal('invalid_depth', /holds 8 leaves, not 9/));
  });
});
