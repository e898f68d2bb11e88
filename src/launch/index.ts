/** Turns settings into running parts of the network. See README.md. */
export * from './backup/index.ts';
export * from './cluster/index.ts';
export * from './coordinator.ts';
export * from './database.ts';
export * from './dev.ts';
export * from './gateway.ts';
export * from './provers.ts';
export * from './raft.ts';
export * from './running.ts';
export * from './top/index.ts';
export * from './worker.ts';
