/**
 * Circuits in memory that all threads share, so that a key is sent to no thread twice and held once for all of them.
 *
 * Copying is done in slices, with the event loop in between: a zkey of a gigabyte must not hold up a heartbeat. The
 * circuits used last stay, bounded in number and bytes; a task that was sent one keeps it alive on its own.
 */
import type { CircuitArtifacts } from '../types.ts';
import type { SharedCircuit } from './tasks.ts';

export const CIRCUIT_BYTES_MAX = 1024 * 1024 * 1024;
/** Copied in under 2 ms. */
const SLICE_BYTES = 4 * 1024 * 1024;

export class SharedCircuits {
  readonly #entries = new Map<string, Promise<SharedCircuit>>();
  readonly #bytes = new Map<string, number>();
  readonly #circuitsMax: number;

  constructor(circuitsMax: number) {
    this.#circuitsMax = circuitsMax;
  }

  get(circuit: CircuitArtifacts): Promise<SharedCircuit> {
    const { digest } = circuit;
    const shared = this.#entries.get(digest) ?? share(circuit);
    // Out of memory now need not be out of memory later.
    shared.catch(() => this.#entries.delete(digest));
    // Last used, last out.
    this.#entries.delete(digest);
    this.#entries.set(digest, shared);
    this.#bytes.set(digest, circuit.zkey.length + circuit.wasm.length);
    this.#evict();
    return shared;
  }

  #evict(): void {
    let total = 0;
    for (const bytes of this.#bytes.values()) total += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#circuitsMax && (total <= CIRCUIT_BYTES_MAX || this.#entries.size === 1)) return;
      total -= this.#bytes.get(oldest) ?? 0;
      this.#entries.delete(oldest);
      this.#bytes.delete(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes.clear();
  }
}

async function share(circuit: CircuitArtifacts): Promise<SharedCircuit> {
  const { digest, circuitId, verificationKey, merkleWires } = circuit;
  return {
    digest,
    circuitId,
    verificationKey,
    ...(merkleWires ? { merkleWires } : {}),
    zkey: await shareBytes(circuit.zkey),
    wasm: await shareBytes(circuit.wasm),
  };
}

async function shareBytes(bytes: Uint8Array): Promise<SharedArrayBuffer> {
  if (bytes.buffer instanceof SharedArrayBuffer && bytes.byteLength === bytes.buffer.byteLength) return bytes.buffer;
  const shared = new SharedArrayBuffer(bytes.length);
  const target = new Uint8Array(shared);
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    target.set(bytes.subarray(at, at + SLICE_BYTES), at);
  }
  return shared;
}
