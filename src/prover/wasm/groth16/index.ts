/** Proofs from prepared keys. See ../README.md. */
export * from './circuit.ts';
export * from './prepare.ts';
export * from './prove.ts';
