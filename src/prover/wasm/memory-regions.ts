/**
 * Who has which part of the kernels' memory: first fit over a list of free gaps, grown by pages.
 *
 * One WebAssembly memory is shared by all threads, and only the main thread gives parts of it out: tables and plans of
 * circuits for as long as they are cached, a work area to each task for as long as a thread may write to it. Memory
 * never shrinks; what is given back is wiped when its owner says that it held secrets, and reused.
 */
import { ZkraftError } from '../../common/core.ts';
import { wipeMemory } from './wipe.ts';

const PAGE_BYTES = 65_536;
/** Cache lines, and room for the widest vectors. */
const ALIGNMENT = 128;

export interface Region {
  readonly at: number;
  readonly bytes: number;
}

interface Gap {
  at: number;
  bytes: number;
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

export class MemoryRegions {
  readonly #memory: WebAssembly.Memory;
  readonly #bytesMax: number;
  /** In the order of their addresses; no two touch. */
  readonly #gaps: Gap[] = [];
  readonly #taken = new Map<number, number>();
  #end: number;
  #used = 0;

  /** Gives out what lies from `from` on, `bytesMax` in all. */
  constructor(memory: WebAssembly.Memory, from: number, bytesMax: number) {
    this.#memory = memory;
    this.#end = aligned(from);
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Throws `overloaded` when the budget is used up, or the system has no more memory. */
  take(bytes: number): Region {
    const size = Math.max(ALIGNMENT, aligned(bytes));
    if (this.#used + size > this.#bytesMax) {
      throw new ZkraftError(
        'overloaded',
        `the prover's memory is used up: ${this.#used} of ${this.#bytesMax} bytes are taken, ${size} more are needed`,
      );
    }
    const gap = this.#gaps.find((one) => one.bytes >= size);
    const at = gap === undefined ? this.#grow(size) : this.#cut(gap, size);
    this.#taken.set(at, size);
    this.#used += size;
    return { at, bytes: size };
  }

  #cut(gap: Gap, size: number): number {
    const { at } = gap;
    gap.at += size;
    gap.bytes -= size;
    if (gap.bytes === 0) this.#gaps.splice(this.#gaps.indexOf(gap), 1);
    return at;
  }

  #grow(size: number): number {
    const last = this.#gaps.at(-1);
    const at = last !== undefined && last.at + last.bytes === this.#end ? last.at : this.#end;
    const missing = at + size - this.#memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
      } catch (cause) {
        throw new ZkraftError('overloaded', `the system gives the prover no ${missing} bytes more`, { cause });
      }
    }
    if (at !== this.#end) this.#gaps.pop();
    this.#end = at + size;
    return at;
  }

  /** `wipe` for what may have held secrets. Giving back twice is an error of the caller's. */
  giveBack(region: Region, options: { readonly wipe: boolean }): void {
    const bytes = this.#taken.get(region.at);
    if (bytes !== region.bytes) throw new RangeError(`no region of ${region.bytes} bytes was taken at ${region.at}`);
    this.#taken.delete(region.at);
    this.#used -= bytes;
    if (options.wipe) wipeMemory(this.#memory, region.at, bytes);
    const after = this.#gaps.findIndex((gap) => gap.at > region.at);
    const place = after < 0 ? this.#gaps.length : after;
    this.#gaps.splice(place, 0, { at: region.at, bytes });
    this.#join(place);
    this.#join(place - 1);
  }

  #join(i: number): void {
    const [gap, next] = [this.#gaps[i], this.#gaps[i + 1]];
    if (gap === undefined || next === undefined || gap.at + gap.bytes !== next.at) return;
    gap.bytes += next.bytes;
    this.#gaps.splice(i + 1, 1);
  }
}
