/**
 * A proof is good when the kernels say so. When they say no, the reference in BigInt looks at it once more (80 ms), since
 * a no counts against whoever made the proof: nobody is condemned by one verifier alone. Of a batch the first four get a
 * second look; of the others the answer says that they had none.
 */
import type { ZkraftError } from '../../common/core.ts';
import type { BadProof, UncheckedClaim } from '../claims.ts';
import { parseProof, parsePublicSignals, parseVerificationKey } from '../formats/core.ts';
import { verifyGroth16Reference } from '../reference/core.ts';

/** Of a batch: whoever hands in many bad proofs buys no more time with them than this. */
export const SECOND_LOOKS_MAX = 4;

/** Throws what `first` throws: what is malformed gets no second look. */
export function verifyTwice(
  first: (verificationKey: unknown, proof: unknown, publicSignals: unknown) => boolean,
  verificationKey: unknown,
  proof: unknown,
  publicSignals: unknown,
): boolean {
  return first(verificationKey, proof, publicSignals) || secondLook(verificationKey, { proof, publicSignals });
}

/** What `first` found bad, less what the reference says is good. Throws what `first` throws. */
export function verifyBatchTwice(
  first: (
    verificationKey: unknown,
    items: readonly UncheckedClaim[],
  ) => readonly { readonly index: number; readonly error?: ZkraftError }[],
  verificationKey: unknown,
  items: readonly UncheckedClaim[],
): BadProof[] {
  let looks = 0;
  return first(verificationKey, items).flatMap(({ index, error }): BadProof[] => {
    if (error !== undefined) return [{ index, error, confirmed: true }];
    if (looks === SECOND_LOOKS_MAX) return [{ index, confirmed: false }];
    looks += 1;
    return secondLook(verificationKey, items[index] as UncheckedClaim) ? [] : [{ index, confirmed: true }];
  });
}

function secondLook(verificationKey: unknown, { proof, publicSignals }: UncheckedClaim): boolean {
  const key = parseVerificationKey(verificationKey);
  return verifyGroth16Reference(key, parseProof(proof), parsePublicSignals(publicSignals, key.nPublic));
}
