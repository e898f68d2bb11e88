/** The SDK for TypeScript programs: `createClient({ url })`. Needs nothing but the global fetch. See README.md. */
export { type ErrorCode, ZkraftError } from '../common/core.ts';
export { createClient } from './client.ts';
export type {
  CallOptions,
  CancelledTask,
  Circuit,
  Client,
  ClientOptions,
  GatewayHealth,
  Groth16Proof,
  MerkleTaskRequest,
  RetryOptions,
  SubmittedTask,
  Task,
  TaskPage,
  TaskStatus,
  TaskSummary,
  TasksOptions,
  TrustedSetup,
  VerificationKey,
  WaitOptions,
} from './types.ts';
