/** The prover on its own WebAssembly kernels. */
export * from './verify/index.ts';
