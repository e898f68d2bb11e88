/**
 * The replicated log: the seam, the one-node log behind it, durable or in memory, and the parts of the log of several
 * nodes: core, storage, transport, node. See README.md.
 */
export * as raftCore from './core/index.ts';
export * from './kv/index.ts';
export * from './node/index.ts';
export * from './replicated-log.ts';
export { type KvInput, type KvOperation, kvModel } from './sim/kv-model.ts';
export * from './sim/linearizability.ts';
export { createMemoryStorage, type MemoryDisk, openMemoryLog } from './single/memory-storage.ts';
export type { LogObserver, SingleNodeLogOptions } from './single/node.ts';
export { openSingleNodeLog } from './single/open.ts';
export * from './storage/index.ts';
export * from './transport/index.ts';
