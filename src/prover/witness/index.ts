/** Witnesses from circom 2's witness programs. See README.md. */
export {
  type FailedConstraint,
  type RunOptions,
  WASM_BYTES_MAX,
  WitnessProgram,
} from './program.ts';
export { encodeWtns } from './wtns.ts';
