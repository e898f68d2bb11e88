/**
 * Whether a map is that of a witness program: both make the witness of two statements, and every byte must agree.
 *
 * The statements have other values on every wire, and path bits that are opposite: two wires that are equal in one (a
 * node and the left side that it stands on) differ in the other, so that names which were swapped are found out.
 */
import { R, sha256Hex, ZkraftError } from '../../common/index.ts';
import type { Witness } from '../formats/index.ts';
import type { KernelModule } from '../kernels/index.ts';
import { poseidon2Reference } from '../reference/index.ts';
import type { WitnessProgram } from '../witness/index.ts';
import { MerkleWitnessFiller } from './filler.ts';
import { type MerklePathValues, nodesOnPath } from './path-values.ts';
import type { MerkleWireMap } from './wire-map.ts';

/** Throws `artifact_corrupt` when the program refuses a true statement, and `circuit_wasm_invalid` when it misbehaves. */
export async function agreesWithProgram(
  map: MerkleWireMap,
  program: Pick<WitnessProgram, 'run'>,
  module: KernelModule,
): Promise<boolean> {
  const filler = await MerkleWitnessFiller.create(module);
  return [0, 1].every((which) => {
    const path = trialPath(map.depth, which);
    const expected = witnessOf(program, path);
    const filled = filler.fill(map, path);
    return filled !== undefined && Buffer.compare(filled.values, expected.values) === 0;
  });
}

function witnessOf(program: Pick<WitnessProgram, 'run'>, path: MerklePathValues): Witness {
  try {
    return program.run({
      root: path.root.toString(),
      externalHash: path.externalHash.toString(),
      leaf: path.leaf.toString(),
      siblings: path.siblings.map(String),
      pathBits: path.pathBits.map(String),
    });
  } catch (cause) {
    const { code, message } = ZkraftError.from(cause);
    if (code === 'circuit_wasm_invalid') throw cause;
    const text = `the witness program is not the Merkle circuit's that the wire names are of: ${message}`;
    throw new ZkraftError('artifact_corrupt', text, { field: 'wasm', cause });
  }
}

function trialPath(depth: number, which: number): MerklePathValues {
  const element = (name: string): bigint => BigInt(`0x${sha256Hex(`zkraft trial ${which} ${name}`)}`) % R;
  const levels = Array.from({ length: depth }, (_, level) => level);
  const inputs = {
    root: 0n,
    externalHash: element('externalHash'),
    leaf: element('leaf'),
    siblings: levels.map((level) => element(`sibling ${level}`)),
    pathBits: levels.map((level) => BigInt((level + which) % 2)),
  };
  const nodes = nodesOnPath(poseidon2Reference, inputs);
  const last = [nodes.at(-1) as bigint, inputs.siblings.at(-1) as bigint] as const;
  const root = inputs.pathBits.at(-1) === 1n ? poseidon2Reference(last[1], last[0]) : poseidon2Reference(...last);
  return { ...inputs, root, nodes };
}
