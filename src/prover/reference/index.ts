/** BN254 in plain BigInt: the oracle of the prover. See README.md. */
export * from './bn254.ts';
export * from './decimal-points.ts';
export * from './fixed-base.ts';
export * from './groth16.ts';
export * from './groth16-prover.ts';
export * from './lagrange.ts';
export * from './msm.ts';
export * from './ntt.ts';
export * from './pairing.ts';
export {
  applyMatrix,
  POSEIDON_FULL_ROUNDS,
  POSEIDON_PARTIAL_ROUNDS,
  POSEIDON_WIDTH,
  poseidon2Reference,
  poseidonParameters,
} from './poseidon.ts';
export * from './prime-field.ts';
export * from './subgroup.ts';
export * from './tower.ts';
export * from './weierstrass.ts';
