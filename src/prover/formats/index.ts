/** The files of circom and snarkjs, read strictly and written compatibly. See README.md. */
export * from './contained-key.ts';
export * from './container.ts';
export * from './field-bytes.ts';
export * from './proof.ts';
export * from './proof-bytes.ts';
export * from './r1cs.ts';
export type * from './snarkjs-json.ts';
export * from './verification-key.ts';
export * from './wtns.ts';
export * from './zkey.ts';
export {
  checkCoefficients,
  ZKEY_FORMAT,
  type ZkeyHeader,
  type ZkeyPointSection,
  type ZkeySectionName,
} from './zkey-header.ts';
export {
  checkHeaderPoints,
  checkZkeyPoints,
  findPointFault,
  isInfinityAllowed,
  type PointCheck,
  type PointChunk,
  type PointFault,
  type PointFaultReason,
  refuseFault,
} from './zkey-points.ts';
export { openZkey, type ZkeyCheckOptions, type ZkeyChunk, type ZkeyReader, type ZkeySource } from './zkey-reader.ts';
