/**
 * Runs the witness programs that circom 2 makes.
 *
 * A program is a WebAssembly module that defines its own memory and talks in 32-bit words through a small window
 * ("shared RW memory"): one field element, least significant word first. Signals go by the 64-bit FNV-1a hash of their
 * name; the program cannot list its names, so an unknown one is found, but a missing one only counted. It computes as
 * soon as its last input is set, and reports a failed constraint through `exceptionHandler`.
 *
 * Promises: inputs are checked whole (names, lengths, range, completeness) before the program sees one of them; nothing
 * that a circuit logs is shown to anybody, because it may be secret; a program that misbehaves ends in
 * `circuit_wasm_invalid`, except that it may run for ever, which is for the thread's timeout to end.
 *
 * Protocol: the exports that circom 2 emits (circom's documentation, "WebAssembly and C++ witness generation").
 */
import { parseElement, R, ZkraftError } from '../../common/index.ts';
import type { Witness } from '../formats/index.ts';
import type { CircuitInput, SignalValue } from '../types.ts';
import { fnv1a64 } from './fnv.ts';

/** A constraint that the inputs do not satisfy, as the program names it. */
export interface FailedConstraint {
  /** Template, without circom's instance number. */
  readonly template: string;
  readonly line: number;
}

export interface RunOptions {
  /** Gives a failed constraint a better name than `unsatisfied_constraint`. */
  readonly explain?: (failed: FailedConstraint) => ZkraftError | undefined;
}

export const ELEMENT_WORDS = 8;
const ELEMENT_BYTES = 32;
/** A program of this project's largest circuit has 2 MB; this leaves room for circuits of some million constraints. */
export const WASM_BYTES_MAX = 512 * 1024 * 1024;
/** 1 GiB of witness. */
const WIRES_MAX = 1 << 25;
/** Nested arrays in inputs: circom's own limit is far lower. */
const NESTING_MAX = 16;
const MESSAGE_CHARS_MAX = 2_000;

/** exceptionHandler's codes, in the compiler's order. */
const ASSERT_FAILED = 4;
const EXCEPTIONS: Readonly<Record<number, string>> = {
  1: 'it does not know a signal that it asked for',
  2: 'too many signals were set',
  3: 'a signal was set twice',
  5: 'its memory is too small',
  6: 'an input signal was indexed beyond its size',
  7: 'an array was indexed out of bounds',
};

interface ProgramExports {
  readonly getVersion: () => number;
  readonly readSharedRWMemory: (word: number) => number;
  readonly writeSharedRWMemory: (word: number, value: number) => void;
  readonly init: (sanityCheck: number) => void;
  readonly setInputSignal: (hashHigh: number, hashLow: number, position: number) => void;
  readonly getInputSignalSize: (hashHigh: number, hashLow: number) => number;
  readonly getRawPrime: () => void;
  readonly getFieldNumLen32: () => number;
  readonly getWitnessSize: () => number;
  readonly getInputSize: () => number;
  readonly getWitness: (wire: number) => void;
  readonly getMessageChar: () => number;
}

const EXPORT_NAMES: readonly (keyof ProgramExports)[] = [
  'getVersion',
  'readSharedRWMemory',
  'writeSharedRWMemory',
  'init',
  'setInputSignal',
  'getInputSignalSize',
  'getRawPrime',
  'getFieldNumLen32',
  'getWitnessSize',
  'getInputSize',
  'getWitness',
  'getMessageChar',
];

const foreign = (why: string, cause?: unknown): ZkraftError =>
  new ZkraftError('circuit_wasm_invalid', `not a witness program of circom 2 over BN254: ${why}`, {
    field: 'wasm',
    cause,
  });

/** What `exceptionHandler` throws through the program's frames. */
class ProgramException extends Error {
  readonly exceptionCode: number;
  constructor(exceptionCode: number) {
    super(`exception ${exceptionCode}`);
    this.exceptionCode = exceptionCode;
  }
}

interface PreparedSignal {
  readonly hashHigh: number;
  readonly hashLow: number;
  readonly values: readonly bigint[];
}

export class WitnessProgram {
  readonly wires: number;
  /** Number of values (not signals) that the inputs must have in all. */
  readonly inputValues: number;
  readonly #module: WebAssembly.Module;
  #exports: ProgramExports;
  #message = '';

  /** Compiles and probes the program; synchronous. Throws `circuit_wasm_invalid`. */
  constructor(wasm: Uint8Array) {
    if (wasm.length > WASM_BYTES_MAX) throw foreign(`it has ${wasm.length} bytes, more than ${WASM_BYTES_MAX}`);
    // Shared memory cannot be compiled from.
    const bytes = new Uint8Array(wasm);
    try {
      this.#module = new WebAssembly.Module(bytes);
    } catch (error) {
      throw foreign(error instanceof Error ? error.message : String(error), error);
    }
    this.#exports = this.#instantiate();
    try {
      this.wires = this.#exports.getWitnessSize();
      this.inputValues = this.#exports.getInputSize();
      this.#probe();
    } catch (error) {
      throw error instanceof ZkraftError ? error : foreign('it trapped when it was asked for its sizes', error);
    }
  }

  /**
   * Computes the witness. Throws `invalid_input` naming the signal, `unsatisfied_constraint` (or what `explain` makes
   * of it), `circuit_wasm_invalid` when the program misbehaves.
   */
  run(input: CircuitInput, options: RunOptions = {}): Witness {
    const signals = this.#prepare(input);
    let finished = false;
    try {
      this.#message = '';
      this.#exports.init(1);
      for (const { hashHigh, hashLow, values } of signals) {
        values.forEach((value, position) => {
          this.#writeElement(value);
          this.#exports.setInputSignal(hashHigh, hashLow, position);
        });
      }
      const witness = this.#readWitness();
      finished = true;
      return witness;
    } catch (error) {
      throw this.#explain(error, options);
    } finally {
      // What a stopped computation left behind must not be what the next one starts from.
      if (!finished) this.#exports = this.#instantiate();
    }
  }

  #instantiate(): ProgramExports {
    const handlers: Record<string, (...args: number[]) => void> = {
      exceptionHandler: (code = 0) => {
        throw new ProgramException(code);
      },
      printErrorMessage: () => {
        this.#message += this.#takeMessage();
      },
      // What a circuit logs may be its secrets: taken off the program's hands and dropped.
      writeBufferMessage: () => {
        this.#takeMessage();
      },
      showSharedRWMemory: () => {},
    };
    for (const { module, name, kind } of WebAssembly.Module.imports(this.#module)) {
      if (module !== 'runtime' || kind !== 'function' || !Object.hasOwn(handlers, name)) {
        throw foreign(`it imports ${module}.${name}`);
      }
    }
    const functions = new Set(
      WebAssembly.Module.exports(this.#module)
        .filter(({ kind }) => kind === 'function')
        .map(({ name }) => name),
    );
    const missing = EXPORT_NAMES.find((name) => !functions.has(name));
    if (missing) throw foreign(`it does not export ${missing}`);
    try {
      // The exports were just checked by name and kind; their signatures are what circom emits.
      return new WebAssembly.Instance(this.#module, { runtime: handlers }).exports as unknown as ProgramExports;
    } catch (error) {
      throw foreign(error instanceof Error ? error.message : String(error), error);
    }
  }

  #probe(): void {
    const { getVersion, getFieldNumLen32, getRawPrime } = this.#exports;
    if (getVersion() !== 2) throw foreign(`it was made by circom ${getVersion()}`);
    if (getFieldNumLen32() !== ELEMENT_WORDS) throw foreign(`its elements have ${getFieldNumLen32() * 32} bits`);
    getRawPrime();
    if (this.#readElement() !== R) throw foreign('it computes modulo another prime');
    if (!(this.wires >= 1 && this.wires <= WIRES_MAX)) throw foreign(`it has ${this.wires} wires`);
    if (!(this.inputValues >= 0 && this.inputValues < WIRES_MAX)) throw foreign(`it has ${this.inputValues} inputs`);
  }

  /** The inputs, checked whole. */
  #prepare(input: CircuitInput): PreparedSignal[] {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      throw new ZkraftError('invalid_input', 'the input must be an object of signals by name', { field: 'input' });
    }
    let given = 0;
    const signals = Object.entries(input).map(([name, value]) => {
      const { high, low } = fnv1a64(name);
      const size = this.#exports.getInputSignalSize(high, low);
      // Compiler versions answer -1 or 0 for a name they do not know; a signal of no values is not missed.
      if (size <= 0) throw new ZkraftError('invalid_input', `${name} is not an input of this circuit`, { field: name });
      const values: bigint[] = [];
      flatten(value, name, size, 0, values);
      if (values.length !== size) {
        throw new ZkraftError('invalid_input', `${name} has ${values.length} values; the circuit takes ${size}`, {
          field: name,
        });
      }
      given += size;
      return { hashHigh: high, hashLow: low, values };
    });
    if (given !== this.inputValues) {
      const text = `the signals given have ${given} values, the circuit takes ${this.inputValues}: a signal is missing`;
      throw new ZkraftError('invalid_input', `${text} (given: ${Object.keys(input).join(', ') || 'none'})`, {
        field: 'input',
      });
    }
    return signals;
  }

  #writeElement(value: bigint): void {
    let rest = value;
    for (let word = 0; word < ELEMENT_WORDS; word++) {
      this.#exports.writeSharedRWMemory(word, Number(BigInt.asIntN(32, rest)));
      rest >>= 32n;
    }
  }

  #readElement(): bigint {
    let value = 0n;
    for (let word = ELEMENT_WORDS - 1; word >= 0; word--) {
      value = (value << 32n) | BigInt(this.#exports.readSharedRWMemory(word) >>> 0);
    }
    return value;
  }

  #readWitness(): Witness {
    const values = new Uint8Array(this.wires * ELEMENT_BYTES);
    const view = new DataView(values.buffer);
    for (let wire = 0; wire < this.wires; wire++) {
      this.#exports.getWitness(wire);
      for (let word = 0; word < ELEMENT_WORDS; word++) {
        view.setInt32(wire * ELEMENT_BYTES + word * 4, this.#exports.readSharedRWMemory(word), true);
      }
    }
    return { wires: this.wires, values };
  }

  #takeMessage(): string {
    let text = '';
    for (let taken = 0; taken < MESSAGE_CHARS_MAX; taken++) {
      const char = this.#exports.getMessageChar();
      if (char === 0) break;
      text += String.fromCharCode(char & 0x7f);
    }
    return text;
  }

  #explain(error: unknown, options: RunOptions): ZkraftError {
    if (error instanceof ZkraftError) return error;
    if (!(error instanceof ProgramException)) return foreign('it trapped while it computed', error);
    if (error.exceptionCode !== ASSERT_FAILED) {
      return foreign(EXCEPTIONS[error.exceptionCode] ?? `it stopped with exception ${error.exceptionCode}`, error);
    }
    // "Error in template TopIsRoot_74 line: 75" for each template on the way, the innermost first.
    const match = /template (\w+?)(?:_\d+)? line: (\d+)/.exec(this.#message);
    const failed = match ? { template: match[1] ?? '', line: Number(match[2]) } : undefined;
    return (
      (failed && options.explain?.(failed)) ??
      new ZkraftError(
        'unsatisfied_constraint',
        `the inputs do not satisfy the circuit${failed ? `: the constraint in template ${failed.template}, line ${failed.line}, fails` : ''}`,
        { field: 'input' },
      )
    );
  }
}

/** Appends the elements of `value`, depth first. Stops at the first that is one too many. */
function flatten(value: SignalValue, name: string, size: number, nesting: number, out: bigint[]): void {
  if (!Array.isArray(value)) {
    if (out.length >= size) {
      throw new ZkraftError('invalid_input', `${name} has more values than the ${size} that the circuit takes`, {
        field: name,
      });
    }
    out.push(parseElement(asText(value), size === 1 ? name : `${name}[${out.length}]`));
    return;
  }
  if (nesting >= NESTING_MAX) {
    throw new ZkraftError('invalid_input', `${name} nests more than ${NESTING_MAX} arrays`, { field: name });
  }
  for (const part of value as readonly SignalValue[]) flatten(part, name, size, nesting + 1, out);
}

/** Input files often hold plain numbers. Those that JSON carries exactly are taken; others would be another value. */
function asText(value: unknown): unknown {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? String(value) : value;
}
