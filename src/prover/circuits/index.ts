/** Circuits: compiling them and giving them keys, the project's own and anybody's. See README.md. */
export { type CircomSource, type CompiledCircuit, type CompileOptions, compileCircuit } from './compile.ts';
export {
  merkleSource,
  type SetUpMerkleOptions,
  setUpMerkleCircuit,
} from './merkle-circuit.ts';
export {
  type CircuitSource,
  type SetUpCircuitOptions,
  type SetUpOptions,
  type SetUpResult,
  type SetUpStage,
  setUpCircuit,
} from './set-up.ts';
