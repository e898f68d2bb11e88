/** The Raft core: pure and synchronous. See README.md for what the host owes it. */
export * from './conf-change.ts';
export { type Configuration, describeConfiguration, isJoint, isVoter, membersOf, votersOf } from './configuration.ts';
export { entryBytes, prefixWithin } from './entry-size.ts';
export { RaftConfigError, RaftInvariantError } from './errors.ts';
export type { CoreLogger, Level } from './logger.ts';
export { MemoryStorage } from './memory-storage.ts';
export type * from './message.ts';
export type { CoreOptions, ReadOnlyMode } from './options.ts';
export type * from './outcomes.ts';
export type { Progress, ProgressState } from './progress.ts';
export type { Role } from './raft.ts';
export { type BootstrapMember, RawNode } from './raw-node.ts';
export type { ReadState } from './reads.ts';
export type { Ready, SoftState } from './ready.ts';
export type { CoreStatus } from './status.ts';
export type { StorageView } from './storage-view.ts';
