/**
 * What makes two requests the same request.
 *
 * SHA-256 over these bytes, integers big-endian:
 *
 *     "zkraft merkle task v1\n"   22 bytes, ASCII
 *     manifest digest             32 bytes: the circuit with its keys
 *     depth                        4 bytes
 *     leaf index                   4 bytes
 *     external hash               32 bytes, zero when nothing is bound
 *     leaf count                   4 bytes
 *     leaves                      32 bytes each
 *
 * Everything has a fixed length or one that is written before it, so that no two requests share these bytes. `"7"` and
 * `"0x07"` are one leaf. Priority is left out: asking again with another priority asks for the same proof.
 */
import { ELEMENT_BYTES, fromHex, invariant, sha256, toBytesBE } from '../common/index.ts';

const DOMAIN = 'zkraft merkle task v1\n';

export interface HashedRequest {
  /** Hex. */
  readonly circuitDigest: string;
  readonly depth: number;
  readonly leafIndex: number;
  readonly externalHash: bigint;
  /** 32 bytes each. */
  readonly leaves: Uint8Array;
}

export function contentHash(request: HashedRequest): Uint8Array {
  const digest = fromHex(request.circuitDigest);
  invariant(digest.length === 32, 'a manifest digest has 32 bytes');
  invariant(request.leaves.length % ELEMENT_BYTES === 0, 'leaves have 32 bytes each');
  return sha256(
    DOMAIN,
    digest,
    uint32(request.depth),
    uint32(request.leafIndex),
    toBytesBE(request.externalHash),
    uint32(request.leaves.length / ELEMENT_BYTES),
    request.leaves,
  );
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
