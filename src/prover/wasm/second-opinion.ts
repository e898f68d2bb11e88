/**
 * A proof is good when the kernels say so. When they say no, the reference in BigInt looks at it once more (a fifth of a
 * second), since a no counts against whoever made the proof: nobody is condemned by one verifier alone.
 */
import { parseProof, parsePublicSignals, parseVerificationKey } from '../formats/index.ts';
import { verifyGroth16Reference } from '../reference/index.ts';

/** Throws what `first` throws: what is malformed gets no second look. */
export function verifyTwice(
  first: (verificationKey: unknown, proof: unknown, publicSignals: unknown) => boolean,
  verificationKey: unknown,
  proof: unknown,
  publicSignals: unknown,
): boolean {
  if (first(verificationKey, proof, publicSignals)) return true;
  const key = parseVerificationKey(verificationKey);
  return verifyGroth16Reference(key, parseProof(proof), parsePublicSignals(publicSignals, key.nPublic));
}
