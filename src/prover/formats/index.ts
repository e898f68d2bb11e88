/** The files of circom and snarkjs, read strictly and written compatibly. See README.md. */
export * from './container.ts';
export * from './field-bytes.ts';
export * from './proof.ts';
export * from './r1cs.ts';
export type * from './snarkjs-json.ts';
export * from './verification-key.ts';
export * from './wtns.ts';
export * from './zkey.ts';
export { checkZkeyPoints } from './zkey-points.ts';
