/** Groth16 verification on the kernels. See README.md. */
export { type BadMember, type BatchItem, batchWorkBytes, verifyBatch } from './batch.ts';
export { multiplyPoint, multiplyPointBytes } from './multiply-point.ts';
export { type PreparedKey, preparationBytes, prepareVerificationKey } from './prepared-key.ts';
export { verificationWorkBytes, verify } from './verify.ts';
