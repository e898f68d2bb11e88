/**
 * Which value stands on which wire, from the names that the compiler gave to the wires.
 *
 * circom's simplification leaves a level its products and those sums that it could not express by others; which ones is
 * its choice, and nothing here guesses it: a wire whose name is not in the list below has no value, and then the circuit
 * has no map. The names are those of circuits/merkle/merkle-inclusion.circom and of circomlib's poseidon.circom.
 */
import { afterBoxPack, fullBoxPack, partialBoxPack } from '../kernels/index.ts';
import { merkleWires } from '../merkle/index.ts';
import { POSEIDON_FULL_ROUNDS, POSEIDON_PARTIAL_ROUNDS, POSEIDON_WIDTH } from '../reference/index.ts';
import { LEVEL_COUNT, LEVEL_VALUES, levelValue, VALUES } from './values.ts';

/** Numbers of values (values.ts), in memory that threads share; made by `mapMerkleWires` alone. */
export interface MerkleWireMap {
  readonly depth: number;
  /** The value of each wire. */
  readonly sources: Uint32Array;
  /** The packs of a hash's trace that some wire shows, ascending. */
  readonly packs: Uint32Array;
}

/** Undefined when some wire's value is not known here. */
export function mapMerkleWires(names: readonly string[], depth: number): MerkleWireMap | undefined {
  const known = namedValues(depth);
  const sources: number[] = [];
  for (const name of names) {
    const source = known.get(withoutInstances(name));
    if (source === undefined) return undefined;
    sources.push(source);
  }
  if (!hasInputsInPlace(sources, depth)) return undefined;
  const trace = sources
    .filter((source) => source >= levelValue(0, 0))
    .map((source) => ((source - levelValue(0, 0)) % LEVEL_COUNT) - LEVEL_VALUES.trace)
    .filter((pack) => pack >= 0);
  const packs = [...new Set(trace)].sort((a, b) => a - b);
  return { depth, sources: shared(sources), packs: shared(packs) };
}

/** circom numbers the components that have no name of their own: `PathStep_87_3607[0]` is `PathStep[0]` here. */
const withoutInstances = (name: string): string => name.replace(/_\d+_\d+(?=[.[])/g, '');

function hasInputsInPlace(sources: readonly number[], depth: number): boolean {
  const wires = merkleWires(depth);
  const areOf = (places: readonly number[], value: number): boolean =>
    places.every((wire, level) => sources[wire] === levelValue(level, value));
  return (
    sources[wires.root] === VALUES.root &&
    sources[wires.externalHash] === VALUES.externalHash &&
    sources[wires.leaf] === VALUES.leaf &&
    areOf(wires.siblings, LEVEL_VALUES.sibling) &&
    areOf(wires.pathBits, LEVEL_VALUES.pathBit)
  );
}

function shared(values: readonly number[]): Uint32Array {
  const made = new Uint32Array(new SharedArrayBuffer(4 * values.length));
  made.set(values);
  return made;
}

function namedValues(depth: number): ReadonlyMap<string, number> {
  const values = new Map<string, number>([
    ['one', VALUES.one],
    ['main.root', VALUES.root],
    ['main.externalHash', VALUES.externalHash],
    ['main.leaf', VALUES.leaf],
    ['main.externalHashSquared', VALUES.externalHashSquared],
    ['main.NonZero.inverse', VALUES.leafInverse],
    [`main.node[${depth}]`, VALUES.root],
  ]);
  const ofLevel = levelNames();
  for (let level = 0; level < depth; level++) {
    values.set(`main.siblings[${level}]`, levelValue(level, LEVEL_VALUES.sibling));
    values.set(`main.pathBits[${level}]`, levelValue(level, LEVEL_VALUES.pathBit));
    values.set(`main.node[${level}]`, levelValue(level, LEVEL_VALUES.node));
    for (const [name, value] of ofLevel) values.set(`main.PathStep[${level}].${name}`, levelValue(level, value));
  }
  return values;
}

/** Signals of PathStep and of the Poseidon in it, each with its value within the level. */
function levelNames(): [name: string, value: number][] {
  const trace = (pack: number): number => LEVEL_VALUES.trace + pack;
  const names: [string, number][] = [
    ['left', LEVEL_VALUES.left],
    ['right', LEVEL_VALUES.right],
    ['parent', LEVEL_VALUES.parent],
  ];
  const poseidon = (name: string, value: number): void => {
    names.push([`Poseidon.pEx.${name}`, value]);
  };
  for (let round = 0; round < POSEIDON_FULL_ROUNDS; round++) {
    for (let i = 0; i < POSEIDON_WIDTH; i++) {
      poseidon(`sigmaF[${round}][${i}].in2`, trace(fullBoxPack(round, i, 2)));
      poseidon(`sigmaF[${round}][${i}].in4`, trace(fullBoxPack(round, i, 4)));
      // Constants are added between the S-boxes and the matrix; ark[0] comes before the first, and the last round has none.
      const isLast = round === POSEIDON_FULL_ROUNDS - 1;
      poseidon(isLast ? `mixLast[0].in[${i}]` : `ark[${round + 1}].out[${i}]`, trace(afterBoxPack(round, i)));
    }
  }
  for (let round = 0; round < POSEIDON_PARTIAL_ROUNDS; round++) {
    poseidon(`sigmaP[${round}].in2`, trace(partialBoxPack(round, 2)));
    poseidon(`sigmaP[${round}].in4`, trace(partialBoxPack(round, 4)));
    // What a partial round leaves in the first element is what the next S-box takes in.
    const isLast = round === POSEIDON_PARTIAL_ROUNDS - 1;
    const next = isLast ? fullBoxPack(POSEIDON_FULL_ROUNDS / 2, 0, 1) : partialBoxPack(round + 1, 1);
    poseidon(`mixS[${round}].out[0]`, trace(next));
  }
  return names;
}
