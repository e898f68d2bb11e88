/** Field and curve arithmetic in WebAssembly, in tiers. See README.md. */
export { HASH_WORK_PACKS, hashParameterBytes, writeHashParameters } from './hash-parameters.ts';
export * from './kernels.ts';
export { findWrongAnswer, KNOWN_ANSWER_BYTES, readWords, writeWords } from './known-answers.ts';
export {
  ELEMENTS,
  type ElementName,
  FIELD_CELL_STRIDE,
  POINT_SCRATCH_PACKS,
  RESERVED_BYTES,
  TWIDDLE_BYTES,
} from './layout-constants.ts';
export { loadKernelModule } from './load.ts';
export { KERNEL_MODULES, type KernelModuleName } from './modules.ts';
export * from './pairing-exports.ts';
export { poseidonParameterBytes, writePoseidonParameters } from './poseidon-parameters.ts';
export { afterBoxPack, fullBoxPack, POSEIDON_TRACE_PACKS, partialBoxPack } from './poseidon-trace.ts';
export { KERNEL_CHOICES, type KernelChoice, type SelectedKernels, selectKernels } from './tiers.ts';
