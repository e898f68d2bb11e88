/** A replicated map from text to text: the smallest host of the log that is of use. See README.md. */
export { KvClient, type KvClientOptions, type KvReplica } from './client.ts';
export { decodeKvCommand, encodeKvCommand, type KvCommand } from './command.ts';
export { KvMachine, kvResultCodec, valueAfter } from './machine.ts';
