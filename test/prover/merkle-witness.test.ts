import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { R, toBytesBE, ZkraftError } from '../../src/common/index.ts';
import { createKernelMemory, loadKernelModule, readWords } from '../../src/prover/kernels/index.ts';
import { type Hash2, merkleInput } from '../../src/prover/merkle/index.ts';
import {
  agreesWithProgram,
  encodeWireNames,
  MerkleWitnessFiller,
  mapMerkleWires,
  nodesOnPath,
  readMerkleInputs,
} from '../../src/prover/merkle-witness/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import type { CircuitInput } from '../../src/prover/types.ts';
import {
  allFillers,
  assertFilled,
  type CompiledDepth,
  compileDepth,
  type NamedFiller,
  pathOf,
  type TreeStatement,
  treeStatements,
} from '../support/filled-witnesses.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';

/** Of one level, of an odd number of them, of more than the lanes of any tier. */
const DEPTHS = [1, 3, 8];

let hash: Hash2;
let fillers: readonly NamedFiller[];
let depths: readonly CompiledDepth[];
let three: CompiledDepth;
let some: TreeStatement;

before(async () => {
  hash = await poseidon2();
  fillers = await allFillers();
  depths = await Promise.all(DEPTHS.map(compileDepth));
  three = depths[1] as CompiledDepth;
  some = treeStatements(hash, 3, new SeededRandom(5)).at(-1) as TreeStatement;
});

describe('a filled witness', () => {
  it("is that of circom's program, byte for byte, in every module", () => {
    const random = new SeededRandom(4);
    for (const compiled of depths) {
      for (const statement of treeStatements(hash, compiled.depth, random)) {
        for (const filler of fillers) assertFilled(compiled, filler, statement);
      }
    }
  });

  it('is not made where the circuit is not satisfied', () => {
    const path = pathOf(some);
    for (const { filler } of fillers) {
      const filled = (change: object) => filler.fill(three.map, { ...path, ...change });
      assert.ok(filled({}));
      assert.equal(filled({ root: path.root + 1n }), undefined);
      assert.equal(filled({ leaf: path.leaf + 1n }), undefined);
      assert.equal(filled({ siblings: path.siblings.with(1, 5n) }), undefined);
      assert.equal(filled({ pathBits: path.pathBits.map((bit) => 1n - bit) }), undefined);
      assert.equal(filled({ nodes: path.nodes.with(2, 5n) }), undefined);
      // A path that leads to the root it names, from zero or by bits that are none.
      const zero = { ...path, leaf: 0n };
      const nodes = nodesOnPath(hash, zero);
      assert.equal(filled({ ...zero, nodes, root: hash(nodes[2] as bigint, path.siblings[2] as bigint) }), undefined);
      assert.equal(filled({ pathBits: path.pathBits.with(0, 2n) }), undefined);
    }
  });

  it('is refused for paths of another length and values that are not canonical', () => {
    const { filler } = fillers[0] as NamedFiller;
    const path = pathOf(some);
    assert.throws(() => filler.fill(three.map, { ...path, siblings: path.siblings.slice(1) }), /as many steps/);
    assert.throws(() => filler.fill(three.map, { ...path, externalHash: R }), /canonical/);
  });

  it('leaves nothing in the memory that it was made in, once it is wiped itself', async () => {
    const memory = createKernelMemory();
    const filler = await MerkleWitnessFiller.create(await loadKernelModule('int2-memory'), memory);
    const holds = (value: bigint): boolean =>
      Buffer.from(new Uint8Array(memory.buffer)).includes(Buffer.from(toBytesBE(value)).reverse());
    const before = Uint8Array.from(new Uint8Array(memory.buffer));
    const path = pathOf(some);
    const witness = filler.fill(three.map, path);
    assert.ok(witness && holds(path.leaf) && holds(path.siblings[2] as bigint), 'this test sees what is there');
    assert.equal(readWords(new DataView(memory.buffer, witness.values.byteOffset), 3 * 32), path.leaf);
    witness.values.fill(0);
    const changed = new Uint8Array(memory.buffer).filter((byte, at) => byte !== before[at] && byte !== 0);
    // What is left says which values stand on which wires.
    assert.ok(changed.length <= 4 * three.map.sources.length);
    for (const value of [path.leaf, ...path.siblings, ...path.nodes.slice(1)]) assert.ok(!holds(value));
    assert.equal(filler.fill(three.map, { ...path, root: 1n }), undefined);
    for (const value of [path.leaf, ...path.siblings, ...path.nodes.slice(1)]) assert.ok(!holds(value));
  });
});

describe('a wire map', () => {
  it('is not made from names that are unknown, missing, or of inputs elsewhere', () => {
    const { names } = three;
    const without = (at: number, name: string) => mapMerkleWires(names.with(at, name), 3);
    assert.ok(mapMerkleWires(names, 3));
    assert.equal(without(100, '-'), undefined);
    assert.equal(without(100, 'main.PathStep_1_1[1].Poseidon_1_1.pEx.sigmaP[57].in2'), undefined);
    assert.equal(without(100, 'main.PathStep_1_1[3].left'), undefined);
    assert.equal(without(3, names[4] as string), undefined);
    assert.equal(mapMerkleWires(names.with(4, names[5] as string).with(5, names[4] as string), 3), undefined);
    assert.equal(mapMerkleWires(names, 2), undefined);
  });

  it('with two wires exchanged is found out by a trial against the program', async () => {
    const module = await loadKernelModule('int2-memory');
    const { names, program } = three;
    const agrees = async (changed: readonly string[]): Promise<boolean> => {
      const map = mapMerkleWires(changed, 3);
      return map !== undefined && (await agreesWithProgram(map, program, module));
    };
    assert.ok(await agrees(names));
    const wireOf = (end: RegExp): number => names.findIndex((name) => end.test(name));
    for (const [a, b] of [
      [wireOf(/node\[1\]/), wireOf(/\[1\]\.left/)],
      [wireOf(/node\[2\]/), wireOf(/\[2\]\.left/)],
      [wireOf(/\[0\]\.left/), wireOf(/\[1\]\.left/)],
      [wireOf(/\[0\].*sigmaP\[5\]\.in2/), wireOf(/\[1\].*sigmaP\[5\]\.in2/)],
      [wireOf(/sigmaF\[7\]\[0\]\.in2/), wireOf(/sigmaF\[7\]\[0\]\.in4/)],
      [names.length - 1, names.length - 2],
    ] as const) {
      assert.ok(a > 0 && b > 0);
      assert.ok(!(await agrees(names.with(a, names[b] as string).with(b, names[a] as string))), `${a} and ${b}`);
    }
  });

  it('is not tried against a program that refuses a true statement: that is of another circuit', async () => {
    const module = await loadKernelModule('int2-memory');
    const map = mapMerkleWires(three.names, 3);
    assert.ok(map);
    for (const [code, told] of [
      ['invalid_input', 'artifact_corrupt'],
      ['unsatisfied_constraint', 'artifact_corrupt'],
      ['circuit_wasm_invalid', 'circuit_wasm_invalid'],
    ] as const) {
      const run = () => {
        throw new ZkraftError(code, 'there is no signal "root"');
      };
      await assert.rejects(agreesWithProgram(map, { run }, module), isRefusal(told, /no signal "root"/));
    }
  });

  it('takes the first name of a wire, and says where there is none', () => {
    const file = encodeWireNames('1,1,0,main.a\n2,1,0,main.b\n3,-1,0,main.c\n4,3,0,main.d\n', 4);
    assert.equal(new TextDecoder().decode(file), 'zkraft wire names 1\none\nmain.a\n-\nmain.d\n');
  });
});

describe("the Merkle circuit's input", () => {
  it('is read in its plain spelling only', () => {
    const path = pathOf(some);
    const input = merkleInput({ ...path, leafIndex: some.leafIndex, path });
    const { nodes, ...inputs } = path;
    assert.deepEqual(readMerkleInputs(input, 3), inputs);
    assert.deepEqual(nodesOnPath(hash, inputs), nodes);
    const hex = { ...input, leaf: `0x${path.leaf.toString(16)}` };
    assert.deepEqual(readMerkleInputs(hex, 3), inputs);
    const { leaf: _, ...missing } = input;
    const others: unknown[] = [
      missing,
      { ...input, extra: '1' },
      { ...input, leaf: R.toString() },
      { ...input, leaf: [input.leaf] },
      { ...input, leaf: '-1' },
      { ...input, siblings: [['1', '2'], '3'] },
      { ...input, siblings: ['1', '2'] },
      { ...input, pathBits: '101' },
      {},
    ];
    for (const other of others) assert.equal(readMerkleInputs(other as CircuitInput, 3), undefined);
    assert.equal(readMerkleInputs(input, 2), undefined);
  });
});
