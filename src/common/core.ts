/**
 * The part of common that also runs in a browser: no logger, no files, no hashing. What the client SDK and the verifier
 * for browsers import.
 */
export * from './durations.ts';
export * from './error-table.ts';
export * from './errors.ts';
export * from './field.ts';
