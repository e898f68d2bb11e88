/**
 * The kernels' files as a page gets them: beside this module, by fetch, within limits.
 *
 * Each address is written out with `import.meta.url`, which is what bundlers look for when they copy files along.
 */
import { ZkraftError } from '../../common/core.ts';
import type { VerifierOptions } from './types.ts';

/** Verification takes these two; which engines each suits is told in ../kernels/modules.ts. */
const BESIDE = {
  'fma2-memory': () => new URL('../kernels/binaries/fma2-memory.wasm', import.meta.url),
  'int2-memory': () => new URL('../kernels/binaries/int2-memory.wasm', import.meta.url),
} as const;
export type KernelFile = keyof typeof BESIDE;

/** The largest has 0.7 MB. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const FETCH_TIMEOUT_MS = 30_000;

/** How to get a file, by the options. Throws `config_invalid` when `kernelUrl` is no address. */
export function kernelFiles({ load, kernelUrl }: VerifierOptions): (file: KernelFile) => Promise<Uint8Array> {
  if (load !== undefined) return async (file) => toBytes(await load(`${file}.wasm`), file);
  const folder = kernelUrl === undefined ? undefined : folderUrl(kernelUrl);
  return (file) => fetchFile(folder === undefined ? BESIDE[file]() : new URL(`${file}.wasm`, folder));
}

function folderUrl(given: string | URL): URL {
  const text = String(given);
  // A page's own address, or a worker's; elsewhere there is none, and the address must be whole.
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  try {
    return new URL(text.endsWith('/') ? text : `${text}/`, location?.href);
  } catch (cause) {
    throw new ZkraftError('config_invalid', `kernelUrl is ${JSON.stringify(text)}, which is no address of a folder`, {
      field: 'kernelUrl',
      cause,
    });
  }
}

function toBytes(given: unknown, file: string): Uint8Array {
  if (given instanceof Uint8Array) return given;
  if (given instanceof ArrayBuffer) return new Uint8Array(given);
  throw new ZkraftError('backend_unavailable', `load gave no bytes for ${file}.wasm; give an ArrayBuffer`, {
    field: 'load',
  });
}

async function fetchFile(url: URL): Promise<Uint8Array> {
  const failed = (why: string, cause?: unknown): ZkraftError =>
    new ZkraftError(
      'backend_unavailable',
      `the kernel at ${url.href} could not be had: ${why}; serve the package's dist/prover/kernels/binaries there, or name their folder in kernelUrl`,
      { field: 'kernelUrl', cause },
    );
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok || response.body === null) throw failed(`the server answered ${response.status}`);
    return await readLimited(response.body, failed);
  } catch (error) {
    throw error instanceof ZkraftError ? error : failed(error instanceof Error ? error.message : String(error), error);
  }
}

async function readLimited(
  body: ReadableStream<Uint8Array>,
  failed: (why: string) => ZkraftError,
): Promise<Uint8Array> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    count += value.length;
    if (count > FILE_BYTES_MAX) {
      await reader.cancel();
      throw failed(`it has more than ${FILE_BYTES_MAX} bytes`);
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(count);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
