/** Field and curve arithmetic in WebAssembly, in tiers. See README.md. */
export * from './kernels.ts';
export { ELEMENTS, type ElementName, POINT_SCRATCH_PACKS, RESERVED_BYTES } from './layout-constants.ts';
export { loadKernelModule } from './load.ts';
export * from './pairing-exports.ts';
