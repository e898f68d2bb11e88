/** What every part of zkraft shares: errors, field encodings, digests, durations, logs. See README.md. */
export * from './addresses.ts';
export * from './bind.ts';
export * from './digest.ts';
export * from './durations.ts';
export * from './error-table.ts';
export * from './errors.ts';
export * from './field.ts';
export * from './folders.ts';
export * from './logging.ts';
export * from './version.ts';
export * from './worker-id.ts';
