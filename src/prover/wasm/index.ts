/** Groth16's sums on the WebAssembly kernels. */
export * from './msm/index.ts';
