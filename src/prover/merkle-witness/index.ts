/** Witnesses of the Merkle circuit, filled by the kernels' hash. See README.md. */
export { MerkleWitnessFiller } from './filler.ts';
export { type MerkleInputs, type MerklePathValues, nodesOnPath, readMerkleInputs } from './path-values.ts';
export { agreesWithProgram } from './trial.ts';
export { type MerkleWireMap, mapMerkleWires } from './wire-map.ts';
export { encodeWireNames, parseWireNames, wireNamesOf } from './wire-names.ts';
