/**
 * What the SDK takes and gives. On the wire the same in snake_case: see /openapi.json of a gateway.
 *
 * Field elements are decimal or 0x strings, or bigints; answers hold decimal strings. Times are RFC 3339, UTC.
 */
export type TaskStatus = 'pending' | 'assigned' | 'in_progress' | 'completed' | 'failed' | 'cancelled';
export type TrustedSetup = 'single-party' | 'ceremony' | 'unknown';

export type G1Json = readonly [string, string, string];
export type G2Json = readonly [readonly [string, string], readonly [string, string], readonly [string, string]];

/** snarkjs's proof.json. */
export interface Groth16Proof {
  readonly pi_a: G1Json;
  readonly pi_b: G2Json;
  readonly pi_c: G1Json;
  readonly protocol: 'groth16';
  readonly curve: 'bn128';
}

/** snarkjs's verification_key.json. */
export interface VerificationKey {
  readonly protocol: 'groth16';
  readonly curve: 'bn128';
  readonly nPublic: number;
  readonly vk_alpha_1: G1Json;
  readonly vk_beta_2: G2Json;
  readonly vk_gamma_2: G2Json;
  readonly vk_delta_2: G2Json;
  readonly vk_alphabeta_12?: unknown;
  readonly IC: readonly G1Json[];
}

export interface MerkleTaskRequest {
  /** In order, 1 to 1000, below r, not zero. */
  readonly leaves: readonly (string | bigint)[];
  readonly leafIndex: number;
  /** Of the tree, 1 to 32; left out, the gateway chooses. */
  readonly depth?: number;
  /** 0 to 9, the highest first. */
  readonly priority?: number;
  /** Bound into the proof as a public signal, so that it is good for one use. */
  readonly externalHash?: string | bigint;
  /** A new task even if the same request was there before. */
  readonly fresh?: boolean;
  /** The same key answers with the same task. */
  readonly idempotencyKey?: string;
}

export interface SubmittedTask {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly message: string;
  readonly requestId: string;
  /** False when the same request was there before. */
  readonly created: boolean;
}

export interface CancelledTask {
  readonly taskId: string;
  /** When the request was stored; the task ends as `cancelled` soon, unless its proof is accepted before. */
  readonly status: TaskStatus;
  readonly message: string;
  readonly requestId: string;
}

export interface Task {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly circuitId: string;
  /** Once completed. */
  readonly proof?: Groth16Proof;
  readonly publicSignals?: readonly string[];
  readonly merkleRoot?: string;
  readonly circuitType?: string;
  readonly trustedSetup?: TrustedSetup;
  /** SHA-256 of the verification key. */
  readonly verificationKeyId?: string;
  /** Why it failed: for people, and as a code of the error table. */
  readonly error?: string;
  readonly code?: string;
  readonly attempt: number;
  readonly workerId?: string;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly completedAt?: string;
  /** Somebody asked to cancel it. */
  readonly cancelRequestedAt?: string;
  /** The failed or cancelled task that it repeats. */
  readonly resubmittedFrom?: string;
  readonly requestId: string;
  /** The answer as it was sent. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** A task in a list: without its proof. */
export interface TaskSummary {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly circuitId: string;
  readonly merkleRoot: string;
  readonly leafIndex: number;
  readonly priority: number;
  readonly error?: string;
  readonly code?: string;
  readonly attempt: number;
  readonly workerId?: string;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly completedAt?: string;
}

export interface TaskPage {
  /** The newest first. */
  readonly tasks: readonly TaskSummary[];
  /** For the next page; undefined when there is none. */
  readonly nextCursor: string | undefined;
}

export interface TasksOptions extends CallOptions {
  readonly status?: TaskStatus;
  /** 1 to 100. Default: the gateway's, 20. */
  readonly limit?: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string;
}

export interface Circuit {
  readonly circuitId: string;
  readonly circuitType: string;
  readonly depth?: number;
  readonly proofSystem: string;
  readonly curve: string;
  /** `single-party`: whoever made the key could have kept what it takes to forge proofs. */
  readonly trustedSetup: TrustedSetup;
  readonly setupCheck: string;
  /** Names, in order. */
  readonly publicSignals: readonly string[];
  readonly constraints: number;
  readonly manifestId: string;
  readonly verificationKeyId: string;
  readonly createdAt: string;
}

export interface GatewayHealth {
  readonly healthy: boolean;
  readonly status: string;
  readonly version: string | undefined;
  /** By part: `ok`, or the code of what is wrong. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface WaitOptions extends CallOptions {
  /** Give up waiting, not the task, after this time. Default 10 min. */
  readonly timeoutMs?: number;
  /** Called with the first answer and at each change of status or attempt. */
  readonly onUpdate?: (task: Task) => void;
}

export interface RetryOptions {
  /** Tries after the first. Default 4. */
  readonly retriesMax?: number;
  readonly initialMs?: number;
  readonly capMs?: number;
}

export interface ClientOptions {
  /** Of the gateway, such as https://prove.example:8080; a path in it is kept. */
  readonly url: string;
  readonly apiKey?: string;
  /** Default: the global fetch. */
  readonly fetch?: typeof globalThis.fetch;
  /** Of one try. Default 30 s. */
  readonly timeoutMs?: number;
  readonly retry?: RetryOptions;
  /** The largest answer that is read. Default 8 MiB. */
  readonly answerBytesMax?: number;
}

export interface Client {
  /** Submits; the same request again is the same task, so a submit that is sent twice by a retry is one task. */
  submitMerkleTask(request: MerkleTaskRequest, options?: CallOptions): Promise<SubmittedTask>;
  getTask(taskId: string, options?: CallOptions): Promise<Task>;
  /** A page of your own tasks. */
  tasks(options?: TasksOptions): Promise<TaskPage>;
  /** The task once it is completed, failed or cancelled. `request_timeout` when that takes longer than `timeoutMs`. */
  waitForTask(taskId: string, options?: WaitOptions): Promise<Task>;
  /** Asks for the end of a task. `task_ended` when it has ended; asking twice is asking once. */
  cancelTask(taskId: string, options?: CallOptions): Promise<CancelledTask>;
  /** Does a failed or cancelled task again, as a new task; asking twice makes one. `task_not_failed` for others. */
  resubmitTask(taskId: string, options?: CallOptions): Promise<SubmittedTask>;
  circuits(options?: CallOptions): Promise<readonly Circuit[]>;
  verificationKey(circuitId: string, options?: CallOptions): Promise<VerificationKey>;
  /** Does not reject when the gateway answers that it is unwell; only when it cannot be reached. */
  health(options?: CallOptions): Promise<GatewayHealth>;
}
