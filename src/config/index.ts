/** The one table of settings and how it is filled. See README.md. */
export * from './load.ts';
export * from './table.ts';
