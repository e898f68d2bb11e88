/** The part of formats that also runs in a browser: snarkjs's JSON, no files. */
export * from './proof.ts';
export type * from './snarkjs-json.ts';
export * from './verification-key.ts';
