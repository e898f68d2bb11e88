/** The snarkjs backend and circomlibjs's Poseidon. Importing this loads no GPL package; using it does. See README.md. */
export { snarkjsBackend } from './backend.ts';
export { poseidon2 } from './poseidon.ts';
