/** The witness programs used last in this thread, compiled and instantiated; bounded in number and in bytes. */
import { WitnessProgram } from '../witness/index.ts';

/** A listed depth each, with room for a few circuits of others. */
export const PROGRAMS_MAX = 8;
/** Of .wasm files; what V8 compiles them to is several times that. */
export const PROGRAM_BYTES_MAX = 64 * 1024 * 1024;

interface Entry {
  readonly program: WitnessProgram;
  readonly bytes: number;
}

export class ProgramCache {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** The program of the circuit with this digest, from the cache or from `wasm`. */
  get(digest: string, wasm: SharedArrayBuffer): WitnessProgram {
    const found = this.#entries.get(digest);
    if (found) {
      // Last used, last out.
      this.#entries.delete(digest);
      this.#entries.set(digest, found);
      return found.program;
    }
    const program = new WitnessProgram(new Uint8Array(wasm));
    this.#entries.set(digest, { program, bytes: wasm.byteLength });
    this.#bytes += wasm.byteLength;
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#entries.size <= PROGRAMS_MAX && this.#bytes <= PROGRAM_BYTES_MAX) break;
      // One that is larger than the limit on its own is used once and not kept.
      this.#entries.delete(oldest);
      this.#bytes -= bytes;
    }
    return program;
  }

  get size(): number {
    return this.#entries.size;
  }
}
