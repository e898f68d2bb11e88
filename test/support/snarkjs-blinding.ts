/**
 * snarkjs's proofs with r and s that the test chooses.
 *
 * snarkjs draws them, r first, as `curve.Fr.random()` of the curve it finds in `globalThis.curve_bn128`. A single
 * threaded curve is put there whose `random` hands out the chosen values, and afterwards what was there before.
 */
import type { Groth16Proof } from '../../src/prover/formats/index.ts';
import { inMemory, loadSnarkjs } from './snarkjs-oracle.ts';

interface ScalarField {
  e(value: bigint): Uint8Array;
  random(): Uint8Array;
}

export async function snarkjsProveWith(
  zkey: Uint8Array,
  wtns: Uint8Array,
  blinding: { readonly r: bigint; readonly s: bigint },
): Promise<{ proof: Groth16Proof; publicSignals: string[] }> {
  const { groth16, curves } = await loadSnarkjs();
  const place = globalThis as { curve_bn128?: unknown };
  const before = place.curve_bn128;
  place.curve_bn128 = undefined;
  const curve = await curves.getCurveFromName('bn128', { singleThread: true });
  const Fr = curve.Fr as unknown as ScalarField;
  const random = Fr.random;
  const draws = [Fr.e(blinding.r), Fr.e(blinding.s)];
  Fr.random = () => {
    const drawn = draws.shift();
    if (drawn === undefined) throw new Error('snarkjs drew more than r and s');
    return drawn;
  };
  place.curve_bn128 = curve;
  try {
    // Asked for a single thread, it would build a curve of its own and not look for one.
    const made = await groth16.prove(inMemory(zkey), inMemory(wtns));
    if (draws.length !== 0) throw new Error('snarkjs did not draw r and s as this test expects');
    return made;
  } finally {
    Fr.random = random;
    place.curve_bn128 = before;
  }
}
