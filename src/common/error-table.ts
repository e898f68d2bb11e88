/**
 * Every error zkraft can answer with: one row a code.
 *
 * `http` is the status of the gateway, `grpc` the canonical gRPC status, `exit` the exit code of the command line,
 * `retryable` says whether the same request can succeed later without being changed. `text` is what the reference
 * page says. docs/reference/errors.md is made from this table, and a test compares them.
 *
 * Exit codes: 1 something failed, 2 the input or the command line was wrong, 3 the answer is "no" (a proof does not
 * verify), 4 a part that is needed cannot be reached, 130 interrupted.
 */
export interface ErrorRow {
  readonly http: number;
  readonly grpc: GrpcCode;
  readonly retryable: boolean;
  readonly exit: number;
  readonly text: string;
}

export type GrpcCode =
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'FAILED_PRECONDITION'
  | 'RESOURCE_EXHAUSTED'
  | 'ABORTED'
  | 'CANCELLED'
  | 'DEADLINE_EXCEEDED'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNIMPLEMENTED'
  | 'INTERNAL';

const row = (http: number, grpc: GrpcCode, retryable: boolean, exit: number, text: string): ErrorRow => ({
  http,
  grpc,
  retryable,
  exit,
  text,
});

export const ERROR_TABLE = {
  // What a client sends.
  invalid_json: row(400, 'INVALID_ARGUMENT', false, 2, 'The body is not JSON.'),
  invalid_request: row(400, 'INVALID_ARGUMENT', false, 2, 'A field is missing, unknown or of the wrong type.'),
  invalid_leaves: row(
    400,
    'INVALID_ARGUMENT',
    false,
    2,
    "Not a list of 1 to 1000 strings, or in a tree of one's own, of 1 to 2^24.",
  ),
  invalid_leaf: row(
    400,
    'INVALID_ARGUMENT',
    false,
    2,
    'A leaf is not a canonical, non-zero element of the scalar field. The message names its index.',
  ),
  invalid_leaf_index: row(400, 'INVALID_ARGUMENT', false, 2, 'The leaf index is not below the number of leaves.'),
  invalid_depth: row(400, 'INVALID_ARGUMENT', false, 2, 'The depth is not 1 to 32, or the leaves do not fit in it.'),
  invalid_priority: row(400, 'INVALID_ARGUMENT', false, 2, 'The priority is not a whole number from 0 to 9.'),
  invalid_external_hash: row(
    400,
    'INVALID_ARGUMENT',
    false,
    2,
    'The external hash is not a canonical element of the scalar field.',
  ),
  invalid_idempotency_key: row(
    400,
    'INVALID_ARGUMENT',
    false,
    2,
    'The Idempotency-Key header is not 1 to 128 printable ASCII characters.',
  ),
  idempotency_conflict: row(
    409,
    'ALREADY_EXISTS',
    false,
    2,
    'This idempotency key was used with another body. Use a new key.',
  ),
  invalid_task_id: row(400, 'INVALID_ARGUMENT', false, 2, 'The task id is not a UUID.'),
  task_not_found: row(404, 'NOT_FOUND', false, 2, 'No task of yours has this id.'),
  key_not_found: row(404, 'NOT_FOUND', false, 2, 'No API key has this id. List them: zkraft keys ls.'),
  task_ended: row(409, 'FAILED_PRECONDITION', false, 1, 'The task has ended and cannot be cancelled.'),
  task_not_failed: row(409, 'FAILED_PRECONDITION', false, 2, 'Only a failed or cancelled task can be submitted again.'),
  circuit_not_found: row(404, 'NOT_FOUND', false, 2, 'No circuit with this id has keys here. Make them: zkraft setup.'),
  circuit_unavailable: row(
    409,
    'FAILED_PRECONDITION',
    false,
    4,
    'The depth is supported, but nobody made its keys here. Run zkraft setup for this depth, or choose another.',
  ),
  route_not_found: row(404, 'NOT_FOUND', false, 2, 'No such route. The routes are in /openapi.json.'),
  method_not_allowed: row(405, 'INVALID_ARGUMENT', false, 2, 'The route exists, but not with this method.'),
  unsupported_media_type: row(415, 'INVALID_ARGUMENT', false, 2, 'The body must be sent as application/json.'),
  body_too_large: row(413, 'INVALID_ARGUMENT', false, 2, 'The body is larger than the limit.'),
  header_too_large: row(431, 'INVALID_ARGUMENT', false, 2, 'The request headers are larger than the limit.'),
  request_timeout: row(408, 'DEADLINE_EXCEEDED', true, 4, 'The request did not arrive in time.'),
  rate_limited: row(429, 'RESOURCE_EXHAUSTED', true, 4, 'Too many requests. Wait as long as Retry-After says.'),
  unauthenticated: row(401, 'UNAUTHENTICATED', false, 2, 'Send an API key: Authorization: Bearer KEY.'),
  host_not_allowed: row(421, 'PERMISSION_DENIED', false, 2, 'Without authentication only loopback names are served.'),
  forbidden: row(403, 'PERMISSION_DENIED', false, 2, 'This key may not do that.'),

  // What the network says about itself.
  database_unavailable: row(503, 'UNAVAILABLE', true, 4, 'PostgreSQL cannot be reached or did not answer in time.'),
  overloaded: row(503, 'RESOURCE_EXHAUSTED', true, 4, 'A queue is full. Try again later.'),
  shutting_down: row(503, 'UNAVAILABLE', true, 4, 'The process is stopping. Try again later.'),
  coordinator_unavailable: row(503, 'UNAVAILABLE', true, 4, 'No coordinator can be reached.'),
  gateway_unavailable: row(503, 'UNAVAILABLE', true, 4, 'The gateway cannot be reached.'),
  not_leader: row(503, 'FAILED_PRECONDITION', true, 4, 'This coordinator does not lead. The detail names who does.'),
  no_leader: row(503, 'UNAVAILABLE', true, 4, 'The coordinators have no leader at the moment.'),

  outcome_unknown: row(
    503,
    'ABORTED',
    false,
    4,
    'Leadership changed, or the node stopped, before this was committed: it may still be. Look before you try again.',
  ),
  session_expired: row(
    409,
    'FAILED_PRECONDITION',
    false,
    1,
    'The session is not known any more, or is further on. Open a new one.',
  ),

  // Members of the cluster.
  peer_not_found: row(404, 'NOT_FOUND', false, 2, 'No member of the cluster has this name.'),
  membership_busy: row(
    409,
    'ABORTED',
    true,
    4,
    'The members change one at a time, and not before the leader has committed an entry of its term. Try again.',
  ),
  membership_refused: row(
    409,
    'FAILED_PRECONDITION',
    false,
    1,
    'The change of members would be unsafe now. The message says why, and whether it can be forced.',
  ),
  peer_refused: row(
    403,
    'PERMISSION_DENIED',
    false,
    1,
    'A node that may not speak here: of another cluster, another incarnation, another name than its certificate, or another protocol. The message says what differs, and the remedy.',
  ),
  peer_unreachable: row(503, 'UNAVAILABLE', true, 4, 'A node of the cluster does not answer at its Raft address.'),
  transfer_failed: row(503, 'ABORTED', true, 4, 'Leadership was not taken over within an election timeout.'),

  // Workers and leases.
  unknown_worker: row(409, 'FAILED_PRECONDITION', true, 4, 'The worker is not registered in this session. Register.'),
  worker_not_found: row(404, 'NOT_FOUND', false, 2, 'No worker of this id is registered.'),
  worker_id_taken: row(
    409,
    'ALREADY_EXISTS',
    true,
    4,
    'Another worker is registered under this id and showed another key. Give each worker its own id.',
  ),
  invalid_worker_id: row(400, 'INVALID_ARGUMENT', false, 2, 'The worker id is not 1 to 128 of [A-Za-z0-9._-].'),
  worker_quarantined: row(403, 'PERMISSION_DENIED', false, 1, 'This worker is quarantined and gets no tasks.'),
  stale_lease: row(409, 'ABORTED', false, 1, 'The lease is no longer live. The report changed nothing; drop the task.'),
  delivery_failed: row(503, 'UNAVAILABLE', true, 1, 'The assignment was not acknowledged in time.'),
  lease_expired: row(503, 'DEADLINE_EXCEEDED', true, 1, 'The worker went silent while it held the task.'),
  attempts_exhausted: row(500, 'ABORTED', false, 1, 'The task failed as often as it may.'),
  task_cancelled: row(409, 'CANCELLED', false, 1, 'The task was cancelled.'),

  // Proving.
  invalid_input: row(
    400,
    'INVALID_ARGUMENT',
    false,
    2,
    'A circuit input is missing, unknown, too long or out of range.',
  ),
  wrong_path: row(
    400,
    'INVALID_ARGUMENT',
    false,
    2,
    'The leaf and its path do not lead to the root: the statement is false and cannot be proved.',
  ),
  unsatisfied_constraint: row(400, 'INVALID_ARGUMENT', false, 2, 'The inputs do not satisfy the circuit.'),
  proof_invalid: row(422, 'INVALID_ARGUMENT', false, 3, 'The proof does not verify for these public signals and key.'),
  proof_malformed: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a Groth16 proof over BN254 as snarkjs writes it.'),
  public_signals_malformed: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a list of canonical public signals.'),
  prover_timeout: row(504, 'DEADLINE_EXCEEDED', true, 1, 'Proving took longer than it may.'),
  prover_aborted: row(499, 'CANCELLED', false, 130, 'Proving was cancelled.'),
  prover_crashed: row(500, 'INTERNAL', true, 1, 'A proving thread died.'),
  self_check_failed: row(500, 'INTERNAL', true, 1, 'A fresh proof did not verify, so it was thrown away.'),
  backend_unavailable: row(409, 'FAILED_PRECONDITION', false, 4, 'This prover backend cannot run here.'),

  // Keys, circuits and files.
  zkey_invalid: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a sound Groth16 proving key over BN254.'),
  r1cs_invalid: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a sound R1CS file over BN254.'),
  ptau_invalid: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a powers-of-tau file that this circuit can use.'),
  wtns_invalid: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a sound witness file, or not of this circuit.'),
  circuit_wasm_invalid: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a witness program made by circom 2.'),
  vkey_invalid: row(400, 'INVALID_ARGUMENT', false, 2, 'Not a sound Groth16 verification key over BN254.'),
  key_refused: row(
    400,
    'FAILED_PRECONDITION',
    false,
    2,
    'The key is well formed, but nobody must rely on it: anybody could forge proofs for it, or its parts differ.',
  ),
  compile_failed: row(400, 'INVALID_ARGUMENT', false, 2, 'The circom compiler refused the circuit.'),
  artifact_not_found: row(404, 'NOT_FOUND', false, 4, 'No blob with this digest is stored.'),
  artifact_corrupt: row(500, 'DATA_LOSS', true, 1, 'A stored blob does not have the digest it is named by.'),
  artifact_too_large: row(413, 'RESOURCE_EXHAUSTED', false, 2, 'The blob is larger than the limit.'),
  file_not_found: row(400, 'NOT_FOUND', false, 2, 'A file named on the command line or in a setting cannot be read.'),
  file_invalid: row(
    400,
    'INVALID_ARGUMENT',
    false,
    2,
    'A file named on the command line does not hold what it should.',
  ),

  // Starting and running.
  usage: row(400, 'INVALID_ARGUMENT', false, 2, 'The command line is wrong.'),
  config_invalid: row(500, 'FAILED_PRECONDITION', false, 2, 'A setting is unknown, of the wrong type or out of range.'),
  bind_unauthenticated: row(
    500,
    'FAILED_PRECONDITION',
    false,
    2,
    'Listening beyond loopback without authentication is refused.',
  ),
  port_in_use: row(500, 'FAILED_PRECONDITION', false, 4, 'Another process listens on the port.'),
  already_set_up: row(
    409,
    'FAILED_PRECONDITION',
    false,
    2,
    'The circuit has keys already, and keys are never replaced in place.',
  ),
  already_running: row(500, 'FAILED_PRECONDITION', false, 4, 'Another process uses this data directory.'),
  postgres_missing: row(500, 'FAILED_PRECONDITION', false, 4, 'No PostgreSQL binaries were found.'),
  postgres_failed: row(
    500,
    'INTERNAL',
    false,
    1,
    'The private PostgreSQL did not start. The message ends with its log.',
  ),
  cluster_failed: row(
    500,
    'INTERNAL',
    false,
    1,
    'A process of a cluster on this machine did not start; its log says why.',
  ),
  cluster_not_running: row(500, 'FAILED_PRECONDITION', false, 4, 'No cluster runs from that folder.'),
  schema_outdated: row(
    500,
    'FAILED_PRECONDITION',
    false,
    4,
    'The database schema is not the one expected: zkraft migrate up.',
  ),
  migration_failed: row(500, 'INTERNAL', false, 1, 'A migration failed and was rolled back, or its file has changed.'),
  foreign_cluster: row(
    500,
    'FAILED_PRECONDITION',
    false,
    1,
    'The database belongs to another cluster than the coordinator log. Nothing was written.',
  ),
  upgrade_needed: row(
    500,
    'FAILED_PRECONDITION',
    false,
    1,
    "The coordinators' state is of a later version than this program understands: run the later program.",
  ),
  upgrade_pending: row(
    503,
    'FAILED_PRECONDITION',
    true,
    1,
    'Not all coordinators run a program that understands this yet: upgrade the others.',
  ),
  log_corrupt: row(500, 'DATA_LOSS', false, 1, 'The replicated log on this disk is damaged. No entry was changed.'),
  log_write_failed: row(
    500,
    'INTERNAL',
    false,
    1,
    'The disk failed under the replicated log. The node stops, and never tries that write again.',
  ),
  disk_full: row(
    507,
    'RESOURCE_EXHAUSTED',
    true,
    4,
    'The disk of the replicated log is nearly full, or that of a backup is. Nothing was written; make room.',
  ),
  backup_failed: row(500, 'INTERNAL', true, 1, 'A backup was not made; what there was of it is removed.'),
  backup_invalid: row(
    500,
    'DATA_LOSS',
    false,
    1,
    'The folder holds no whole backup: it was cut off, or a file of it is missing or has changed. Nothing was touched.',
  ),
  restore_failed: row(
    500,
    'INTERNAL',
    false,
    1,
    'A backup was not restored. The message says what is as it was before, and what is not.',
  ),
  target_not_empty: row(
    409,
    'ALREADY_EXISTS',
    false,
    2,
    'What is to be restored into holds something, and is not written over unasked. Nothing was touched.',
  ),
  file_exists: row(409, 'ALREADY_EXISTS', false, 2, 'The file is there already, and is not written over unasked.'),
  bench_failed: row(
    500,
    'INTERNAL',
    false,
    1,
    'A side of a benchmark died, or the sides did not compute the same. No figure was taken.',
  ),
  cancelled: row(499, 'CANCELLED', false, 130, 'Interrupted.'),
  internal: row(500, 'INTERNAL', true, 1, 'A fault of ours. The log has more under the request id.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_TABLE, code);
