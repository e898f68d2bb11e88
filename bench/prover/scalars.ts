/** Numbers to compute with: the same in every process, spread like random ones, and nobody's secret. */
import { invariant, sha256 } from '../../src/common/index.ts';
import { SCALAR_BYTES } from '../../src/prover/formats/index.ts';

/** `count` numbers below 2^253, hence below q and r, 32 bytes little-endian each: SHA-256 of `name` and a counter. */
export function scalarBytes(name: string, count: number): Uint8Array {
  const out = new Uint8Array(count * SCALAR_BYTES);
  for (let i = 0; i < count; i++) {
    const bytes = sha256(`${name} ${i}`);
    bytes[SCALAR_BYTES - 1] = (bytes[SCALAR_BYTES - 1] ?? 0) & 0x1f;
    out.set(bytes, i * SCALAR_BYTES);
  }
  return out;
}

/** The folder of the prepared circuit, for a bench that said that it needs one. */
export function circuitDirOf(order: { readonly circuitDir?: string }): string {
  invariant(order.circuitDir !== undefined, 'this bench works on a prepared circuit');
  return order.circuitDir;
}
