/**
 * The part of common that also runs in a browser: no logger, no files, no hashing. What the client SDK imports.
 */
export * from './durations.ts';
export * from './error-table.ts';
export * from './errors.ts';
