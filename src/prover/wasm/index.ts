/** Proving with our own WebAssembly kernels. See README.md. */
export * from './groth16/index.ts';
export * from './host.ts';
export { createLaneHash, LaneHasher, WORDS_BYTES } from './lane-hash.ts';
export { MemoryRegions, type Region } from './memory-regions.ts';
export * from './msm/index.ts';
export * from './quotient/index.ts';
export * from './scalars/index.ts';
export * from './setup/index.ts';
export * from './thread.ts';
export * from './verifier.ts';
export * from './verify/index.ts';
export { wipeMemory } from './wipe.ts';
