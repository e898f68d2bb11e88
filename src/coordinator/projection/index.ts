/** From decisions to rows. See README.md. */
export * from './projector.ts';
export * from './reconcile.ts';
export * from './rows.ts';
