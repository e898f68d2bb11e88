/** The part of reference that verification needs, and that also runs in a browser: curves, pairing, points as text. */
export * from './bn254.ts';
export * from './decimal-points.ts';
export * from './groth16.ts';
export * from './pairing.ts';
export * from './prime-field.ts';
export * from './tower.ts';
export * from './weierstrass.ts';
