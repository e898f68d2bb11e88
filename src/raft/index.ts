/**
 * The replicated log: the seam, and the nodes behind it: core, storage, transport, node. See README.md.
 */
export * as raftCore from './core/index.ts';
export * from './kv/index.ts';
export * from './node/index.ts';
export * from './replicated-log.ts';
export { type KvInput, type KvOperation, kvModel } from './sim/kv-model.ts';
export * from './sim/linearizability.ts';
export * from './storage/index.ts';
export * from './transport/index.ts';
