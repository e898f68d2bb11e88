/**
 * Kernels over memory of one thread alone, for browsers.
 *
 * Modules are generated for a memory that threads share. Engines give a page such memory only when its server sends
 * COOP and COEP headers (WebKit), or set aside all that it may grow to at once, which phones refuse. No kernel uses an
 * atomic operation, so the same code runs over memory that is not shared, once the module's import says so: one bit, the
 * second of the limits' flags (WebAssembly core, binary format of limits; threads proposal).
 *
 * What surprises: views of such memory are detached when it grows. Whoever holds one takes it anew, as LaneMemory does.
 */
import { ZkraftError } from '../../common/core.ts';

const IMPORT_SECTION = 2;
const MEMORY_IMPORT = 2;
const HEADER_BYTES = 8;
const SHARED_BIT = 2;
/** 1 GiB: twice what a verifier gives out, so that gaps do not end it. */
const PAGES_MAX = 16_384;

export function createUnsharedMemory(pages = 16): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: PAGES_MAX });
}

/** A copy of a kernel module that imports its memory unshared. Throws `backend_unavailable` when it is no kernel. */
export function withoutSharing(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const at = memoryFlagsAt(copy);
  copy[at] = (copy[at] as number) & ~SHARED_BIT;
  return copy;
}

/** Where the flags of the one import, the memory, are. */
function memoryFlagsAt(bytes: Uint8Array): number {
  const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  if (!magic.every((byte, i) => bytes[i] === byte)) throw noKernel('it is not WebAssembly');
  let at = HEADER_BYTES;
  const next = (): number => {
    const byte = bytes[at++];
    if (byte === undefined) throw noKernel('it ends too soon');
    return byte;
  };
  /** LEB128, at most 32 bits. */
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = next();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw noKernel('a length has no end');
  };
  const skip = (count: number): void => {
    at += count;
  };
  for (;;) {
    const id = next();
    const sectionBytes = number();
    if (id !== IMPORT_SECTION) {
      skip(sectionBytes);
      continue;
    }
    if (number() !== 1) throw noKernel('it imports more than a memory');
    // The names of its module and of itself.
    skip(number());
    skip(number());
    if (next() !== MEMORY_IMPORT) throw noKernel('it imports no memory');
    return at;
  }
}

const noKernel = (why: string): ZkraftError =>
  new ZkraftError(
    'backend_unavailable',
    `what was loaded is no kernel module: ${why}; serve the package's own .wasm files, as they are`,
    { field: 'kernel' },
  );
