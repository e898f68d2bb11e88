/** The replicated state of the coordinators: pure, deterministic, snapshot-able. See README.md. */
export * from './apply.ts';
export * from './commands.ts';
export * from './events.ts';
export * from './invariants.ts';
export * from './model.ts';
export * from './retry.ts';
export * from './snapshot.ts';
export * from './story.ts';
export * from './versions.ts';
