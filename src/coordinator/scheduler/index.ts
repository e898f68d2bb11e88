/** Who gets which task, and what becomes of a lease. See README.md. */
export * from './cancellations.ts';
export * from './deliveries.ts';
export * from './driver.ts';
export * from './failed-holders.ts';
export * from './forgotten.ts';
export * from './lease-table.ts';
export * from './policy.ts';
export * from './ready-scan.ts';
export * from './versions.ts';
export * from './worker-watch.ts';
