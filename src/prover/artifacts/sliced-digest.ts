/** SHA-256 of large byte arrays without holding up the event loop: 4 MiB (some 10 ms at worst) at a time. */
import { createHash } from 'node:crypto';

const SLICE_BYTES = 4 * 1024 * 1024;

export async function slicedSha256Hex(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    hash.update(bytes.subarray(at, at + SLICE_BYTES));
  }
  return hash.digest('hex');
}
