/**
 * The names of a circuit's wires as a file: the compiler's symbols without the signals that it simplified away.
 *
 * Text: the line `zkraft wire names 1`, then a line a wire, in order. Wire 0 is the constant `one`; the others have the
 * full names that circom gave them, `main.siblings[3]`. A wire that no signal names is `-`.
 */
import { ZkraftError } from '../../common/index.ts';

const TITLE = 'zkraft wire names 1';
const ONE = 'one';
const UNNAMED = '-';
/** 500 KB at depth 32. */
export const WIRE_NAMES_BYTES_MAX = 16 * 1024 * 1024;
const NAME = /^[\x21-\x7e]{1,256}$/;

/**
 * The names of wires 0 to `wires` - 1, undefined where there is none, from circom's lines of
 * `signal,wire,component,name`, where wire -1 is a signal that was simplified away.
 */
export function wireNamesOf(symbols: string, wires: number): readonly (string | undefined)[] {
  const names = new Array<string | undefined>(wires).fill(undefined);
  for (const line of symbols.split('\n')) {
    const [, wire, , name] = line.split(',');
    const at = Number(wire);
    // Several signals can share a wire; the first is the one that was declared as output or input.
    if (name !== undefined && at >= 1 && at < wires) names[at] ??= name;
  }
  return names;
}

export function encodeWireNames(symbols: string, wires: number): Uint8Array {
  const [, ...names] = wireNamesOf(symbols, wires);
  return new TextEncoder().encode(`${[TITLE, ONE, ...names.map((name) => name ?? UNNAMED)].join('\n')}\n`);
}

/** The names, by wire. Throws `artifact_corrupt`. */
export function parseWireNames(bytes: Uint8Array): readonly string[] {
  if (bytes.length > WIRE_NAMES_BYTES_MAX) refuse(`they have ${bytes.length} bytes, more than ${WIRE_NAMES_BYTES_MAX}`);
  // Not strictly UTF-8 is not printable ASCII either.
  const lines = new TextDecoder().decode(bytes).split('\n');
  if (lines.shift() !== TITLE) refuse(`they do not begin with "${TITLE}"`);
  if (lines.pop() !== '') refuse('they end within a line');
  if (lines[0] !== ONE) refuse(`wire 0 is not "${ONE}"`);
  const bad = lines.findIndex((name) => !NAME.test(name));
  if (bad >= 0) refuse(`the name of wire ${bad} is malformed`);
  return lines;
}

export function refuse(why: string): never {
  throw new ZkraftError('artifact_corrupt', `the circuit's wire names cannot be used: ${why}`, { field: 'wireNames' });
}
