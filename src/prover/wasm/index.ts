/** Proving with our own WebAssembly kernels. */
export * from './quotient/index.ts';
export * from './scalars/index.ts';
