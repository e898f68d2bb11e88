/** The part of kernels that also runs in a browser: modules from their bytes, and what verification calls. */
export * from './kernels.ts';
export { POINT_SCRATCH_PACKS, RESERVED_BYTES } from './layout-constants.ts';
export { compileKernelModule, type KernelModuleName } from './modules.ts';
export * from './pairing-exports.ts';
export { fusesMultiplyAdd, hasRelaxedSimd, requireKnownAnswers } from './probe.ts';
export { createUnsharedMemory, withoutSharing } from './unshared.ts';
