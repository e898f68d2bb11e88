/**
 * The main thread's side of the `wasm` backend: the memory that all threads share, circuits prepared in it, and an area
 * for each proof under way.
 *
 * A circuit is prepared once, by pieces in the threads (or read from the disk's cache), and stays while it is among
 * those used last; one that proofs still use goes only when they are done. An area is taken when a task begins and
 * given back when nothing of the task runs any more, wiped.
 */
import { invariant, slicedSha256Hex } from '../../common/index.ts';
import {
  createKernelMemory,
  instantiateKernels,
  type Kernels,
  RESERVED_BYTES,
  type SelectedKernels,
} from '../kernels/index.ts';
import type { TableCache, TableKey } from '../table-cache/index.ts';
import {
  assembleCircuit,
  moved,
  type PreparedCircuit,
  placeTables,
  sliceWorkBytes,
  tableSlices,
} from './groth16/index.ts';
import { MemoryRegions, type Region } from './memory-regions.ts';
import type { QuotientPlan } from './quotient/index.ts';
import type { PrepareTask, ScanAnswer, WasmThreadData } from './thread.ts';

/** Of tables and areas together; addresses end at 4 GiB. */
const MEMORY_BYTES_MAX = 4 * 1024 * 1024 * 1024 - 65_536 * 2;
/** Of the tables of one circuit: enough for 2^17 wires at full depth. */
export const TABLE_BYTES_MAX = 1024 * 1024 * 1024;
/** Raised when what is kept on disk means something else. */
const TABLES_VERSION = 2;

export interface HostOptions {
  readonly selected: SelectedKernels;
  readonly circuitsMax: number;
  readonly tableBytesMax?: number;
  readonly cache?: TableCache;
}

/** Runs a piece of work in some thread, with an area of so many bytes if it needs one. */
export type RunPiece = (task: PrepareTask, workBytes: number) => Promise<unknown>;

interface Held {
  readonly circuit: PreparedCircuit;
  readonly region: Region;
  /** Of the region, those that hold something. */
  readonly bytes: number;
  users: number;
  evicted: boolean;
}

/** A circuit that stays where it is until it is let go. */
export interface CircuitUse {
  readonly circuit: PreparedCircuit;
  release(): void;
}

export class WasmHost {
  readonly kernels: Kernels;
  readonly #options: HostOptions;
  readonly #regions: MemoryRegions;
  readonly #circuits = new Map<string, Promise<Held>>();

  static async create(options: HostOptions): Promise<WasmHost> {
    return new WasmHost(options, await instantiateKernels(options.selected.kernel, createKernelMemory()));
  }

  constructor(options: HostOptions, kernels: Kernels) {
    this.kernels = kernels;
    this.#options = options;
    this.#regions = new MemoryRegions(kernels.memory, RESERVED_BYTES, MEMORY_BYTES_MAX);
  }

  get threadData(): WasmThreadData {
    const { selected } = this.#options;
    return { kernel: selected.kernel, verifying: selected.verifying, memory: this.kernels.memory };
  }

  /** Throws `overloaded` when there is no room. */
  takeArea(bytes: number): Region {
    return this.#regions.take(bytes);
  }

  giveBackArea(region: Region): void {
    this.#regions.giveBack(region, { wipe: true });
  }

  /** Prepares the circuit unless it is there. Rejects as the pieces do. */
  async use(digest: string, zkey: SharedArrayBuffer, run: RunPiece): Promise<CircuitUse> {
    let made = this.#circuits.get(digest);
    if (made === undefined) {
      made = this.#prepare(zkey, run);
      // What went wrong once need not go wrong again.
      made.catch(() => {
        if (this.#circuits.get(digest) === made) this.#circuits.delete(digest);
      });
    } else {
      // Last used, last out.
      this.#circuits.delete(digest);
    }
    this.#circuits.set(digest, made);
    const held = await made;
    held.users += 1;
    this.#evict();
    let released = false;
    return {
      circuit: held.circuit,
      release: () => {
        if (released) return;
        released = true;
        held.users -= 1;
        this.#drop(held);
      },
    };
  }

  #evict(): void {
    for (const [digest, made] of this.#circuits) {
      if (this.#circuits.size <= this.#options.circuitsMax) return;
      this.#circuits.delete(digest);
      void made.then(
        (held) => {
          held.evicted = true;
          this.#drop(held);
        },
        () => {},
      );
    }
  }

  #drop(held: Held): void {
    if (held.evicted && held.users === 0) this.#regions.giveBack(held.region, { wipe: false });
  }

  async #prepare(zkey: SharedArrayBuffer, run: RunPiece): Promise<Held> {
    const { cache, selected, tableBytesMax = TABLE_BYTES_MAX } = this.#options;
    if (cache === undefined) return await this.#make(zkey, run);
    const key: TableKey = {
      zkeyDigest: await slicedSha256Hex(new Uint8Array(zkey)),
      // What the layout follows from, not the layout: the key need not be read to know whether its tables are there.
      layout: `${selected.kernel.tier}-${tableBytesMax}`,
      version: TABLES_VERSION,
    };
    const cached = await this.#load(cache, key);
    if (cached !== undefined) return cached;
    const held = await this.#make(zkey, run);
    // It must stay as it is until it is written; what cannot be written is made again next time.
    held.users += 1;
    const { region, circuit, bytes } = held;
    void cache
      .store(key, { at: region.at, circuit }, [{ name: 'circuit', bytes: this.#bytes(region, bytes) }])
      .catch(() => {})
      .finally(() => {
        held.users -= 1;
        this.#drop(held);
      });
    return held;
  }

  async #make(zkey: SharedArrayBuffer, run: RunPiece): Promise<Held> {
    const { tableBytesMax = TABLE_BYTES_MAX } = this.#options;
    const { scan, layout } = (await run({ kind: 'scan-key', zkey, tableBytesMax }, 0)) as ScanAnswer;
    const region = this.#regions.take(layout.bytes);
    try {
      const tables = placeTables(this.kernels, scan, layout, region.at);
      const quotientAt = region.at + layout.quotientAt;
      const workBytes = sliceWorkBytes(this.kernels);
      const pieces = tableSlices(tables).map((slice) =>
        run({ kind: 'build-tables', zkey, slice, workAt: 0 }, workBytes),
      );
      const plan = run({ kind: 'write-quotient', zkey, at: quotientAt, workAt: 0 }, scan.quotientWorkBytes);
      await settled([...pieces, plan]);
      const circuit = assembleCircuit(this.kernels, scan, layout, tables, (await plan) as QuotientPlan);
      return { circuit, region, bytes: layout.bytes, users: 0, evicted: false };
    } catch (error) {
      this.#regions.giveBack(region, { wipe: false });
      throw error;
    }
  }

  #bytes(region: Region, bytes: number): Uint8Array {
    return new Uint8Array(this.kernels.memory.buffer, region.at, bytes);
  }

  async #load(cache: TableCache, key: TableKey): Promise<Held | undefined> {
    let place: { readonly region: Region; readonly bytes: number } | undefined;
    try {
      const found = await cache.load(key, ({ sectionBytes }) => {
        const bytes = sectionBytes.get('circuit');
        if (bytes === undefined) return undefined;
        place = { region: this.#regions.take(bytes), bytes };
        return { circuit: this.#bytes(place.region, bytes) };
      });
      if (found !== undefined && place !== undefined) {
        const { at, circuit } = found.meta as { at: number; circuit: PreparedCircuit };
        invariant(Number.isSafeInteger(at), 'tables are kept with the address that they were made for');
        return { circuit: moved(circuit, place.region.at - at), ...place, users: 0, evicted: false };
      }
    } catch (error) {
      if (place !== undefined) this.#regions.giveBack(place.region, { wipe: false });
      throw error;
    }
    if (place !== undefined) this.#regions.giveBack(place.region, { wipe: false });
    return undefined;
  }
}

/** All are over, whatever their end: nobody writes to the region any more. Then the first failure, if there is one. */
async function settled(pieces: readonly Promise<unknown>[]): Promise<void> {
  const ends = await Promise.allSettled(pieces);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}
