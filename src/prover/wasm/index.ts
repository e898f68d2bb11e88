/** Proving with our own WebAssembly kernels. See README.md. */
export * from './msm/index.ts';
export * from './quotient/index.ts';
export * from './scalars/index.ts';
export * from './verify/index.ts';
