/** Poseidon(2) of one pair at a time, on one lane: for callers that hash now and then, without a GPL package. */
import {
  createKernelMemory,
  instantiateKernels,
  type KernelModule,
  poseidonParameterBytes,
  RESERVED_BYTES,
  readWords,
  writePoseidonParameters,
  writeWords,
} from '../kernels/index.ts';
import type { Hash2 } from '../merkle/index.ts';

/** Two operands, the result, and what the kernel works in. */
const PACKS = 3 + 6;

export async function createLaneHash(module: KernelModule): Promise<Hash2> {
  const parameters = RESERVED_BYTES;
  const words = parameters + poseidonParameterBytes(module);
  const packs = words + 64;
  const pages = Math.ceil((packs + PACKS * module.packBytes) / 65_536);
  const kernels = await instantiateKernels(module, createKernelMemory(pages));
  writePoseidonParameters(kernels, parameters);
  const { exports, packBytes } = kernels;
  const view = new DataView(kernels.memory.buffer);
  const [left, right, hash, work] = [0, 1, 2, 3].map((i) => packs + i * packBytes) as [number, number, number, number];
  const plain = kernels.element('fr_plain');
  return (l, r) => {
    writeWords(view, words, l);
    writeWords(view, words + 32, r);
    exports.fr_read(left, words, 0, plain);
    exports.fr_read(right, words + 32, 0, plain);
    exports.poseidon2_n(hash, left, right, 1, parameters, work);
    exports.fr_write(words, 0, hash);
    return readWords(view, words);
  };
}
