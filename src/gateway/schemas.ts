/**
 * The shapes of requests and answers, once: Ajv validates by them, Fastify serializes by them, /openapi.json shows them.
 *
 * `x-error-code` is the code that a violation is answered with (without it `invalid_request`); the description is what
 * the message then says to do. What no schema can say (below r, below the count, fits the depth) is in submission.ts.
 */
import Type, { type Static, type TObject } from 'typebox';
import { ERROR_TABLE, type ErrorCode } from '../common/index.ts';
import { TASK_STATUSES } from '../store/types.ts';

/** `0|[1-9][0-9]*` or 0x hex; whether it is below r is checked after this. */
const ELEMENT = '^(0|[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})$';
const DECIMAL = '^(0|[1-9][0-9]*)$';
const UUID = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';

const closed = { additionalProperties: false };

export const submitBody = (leavesMax: number, defaultDepth: number) =>
  Type.Object(
    {
      leaves: Type.Array(
        Type.String({
          pattern: ELEMENT,
          'x-error-code': 'invalid_leaf',
          description: 'write a leaf as a decimal or 0x string, such as "7" or "0x1f", below r and not zero',
        }),
        {
          minItems: 1,
          maxItems: leavesMax,
          'x-error-code': 'invalid_leaves',
          description: `the leaves of the tree, 1 to ${leavesMax} strings, in order`,
          examples: [['1', '2', '0x2a']],
        },
      ),
      leaf_index: Type.Integer({
        minimum: 0,
        maximum: leavesMax - 1,
        'x-error-code': 'invalid_leaf_index',
        description: 'which leaf to prove: a whole number from 0, below the number of leaves',
        examples: [1],
      }),
      depth: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 32,
          'x-error-code': 'invalid_depth',
          description:
            `the depth of the tree, 1 to 32; left out, it is ${defaultDepth} if the leaves fit, ` +
            'else the smallest listed depth in which they do',
          examples: [8],
        }),
      ),
      priority: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 9,
          'x-error-code': 'invalid_priority',
          description: 'a whole number from 0 to 9, the highest first; 0 when left out',
        }),
      ),
      external_hash: Type.Optional(
        Type.String({
          pattern: ELEMENT,
          'x-error-code': 'invalid_external_hash',
          description:
            'a field element as a decimal or 0x string, below r; it becomes a public signal, ' +
            'so that the proof is good for one use only',
        }),
      ),
      fresh: Type.Optional(
        Type.Boolean({ description: 'true makes a new task even if the same request was there before' }),
      ),
    },
    closed,
  );

export type SubmitBody = Static<ReturnType<typeof submitBody>>;

export const submitHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x20-\\x7e]{1,128}$',
      'x-error-code': 'invalid_idempotency_key',
      description:
        '1 to 128 printable ASCII characters of your choice; the same key answers with the same task, ' +
        'and with 409 when the body is another',
    }),
  ),
});

export const taskParams = Type.Object({
  id: Type.String({
    pattern: UUID,
    'x-error-code': 'invalid_task_id',
    description: 'the task_id that the submit answered with, a UUID',
  }),
});

export const waitQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.String({
        pattern: '^\\d{1,9}(ms|s|m|h)$',
        description:
          'answer when the task has ended, or after this time with what it is then; a duration such as 20s. ' +
          'Longer than the server allows means as long as it allows',
        examples: ['20s'],
      }),
    ),
  },
  closed,
);

export const listQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.String({
        pattern: '^([1-9][0-9]?|100)$',
        description: 'how many tasks a page holds, 1 to 100; 20 when left out',
        examples: ['50'],
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_-]{1,128}$',
        description: 'the next_cursor of the page before; left out, the first page',
      }),
    ),
    status: Type.Optional(
      Type.Enum([...TASK_STATUSES], { description: `only tasks that are now one of ${TASK_STATUSES.join(', ')}` }),
    ),
  },
  closed,
);

export const noQuery = Type.Object({}, closed);

export const circuitParams = Type.Object({
  id: Type.String({
    pattern: '^[A-Za-z0-9._-]{1,64}$',
    'x-error-code': 'circuit_not_found',
    description: 'a circuit id, such as merkle-8; GET /api/v1/circuits lists them',
  }),
});

const requestId = Type.String({ description: 'of this request, also in X-Request-ID; the logs have it' });
const time = (description: string) => Type.String({ format: 'date-time', description: `${description} (UTC)` });
const status = Type.Enum([...TASK_STATUSES], { description: 'completed, failed and cancelled are final' });
const trustedSetup = Type.Enum(['single-party', 'ceremony', 'unknown'], {
  description: 'how the key was made; single-party: whoever made it could have kept what it takes to forge proofs',
});
const decimal = Type.String({ pattern: DECIMAL });
const g1 = Type.Array(decimal, { minItems: 3, maxItems: 3 });
const g2 = Type.Array(Type.Array(decimal, { minItems: 2, maxItems: 2 }), { minItems: 3, maxItems: 3 });

export const submitAnswer = Type.Object({
  success: Type.Literal(true),
  task_id: Type.String({ format: 'uuid' }),
  status,
  message: Type.String(),
  request_id: requestId,
});

export const controlAnswer = Type.Object({
  success: Type.Literal(true),
  task_id: Type.String({ format: 'uuid' }),
  status,
  message: Type.String(),
  resubmitted_from: Type.Optional(Type.String({ format: 'uuid', description: 'the task that this one repeats' })),
  request_id: requestId,
});

/** 409 of a route that asks something of a task in the wrong state. */
export const endedAnswer = (code: ErrorCode) =>
  Type.Object(
    {
      success: Type.Literal(false),
      error: Type.String(),
      code: Type.Enum([code]),
      status,
      request_id: requestId,
    },
    { description: `${code}: ${ERROR_TABLE[code].text} The status says what it is.` },
  );

export const taskAnswer = Type.Object({
  success: Type.Literal(true),
  task_id: Type.String({ format: 'uuid' }),
  status,
  proof: Type.Optional(
    Type.Object(
      { pi_a: g1, pi_b: g2, pi_c: g1, protocol: Type.Literal('groth16'), curve: Type.Literal('bn128') },
      { description: "the proof as snarkjs's proof.json" },
    ),
  ),
  public_signals: Type.Optional(Type.Array(decimal, { description: "as snarkjs's public.json" })),
  merkle_root: Type.Optional(Type.String({ pattern: DECIMAL, description: 'the root, decimal' })),
  circuit_type: Type.Optional(Type.String()),
  circuit_id: Type.Optional(Type.String()),
  trusted_setup: Type.Optional(trustedSetup),
  verification_key_id: Type.Optional(Type.String({ description: 'SHA-256 of the verification key to verify with' })),
  error: Type.Optional(Type.String({ description: 'why it failed' })),
  code: Type.Optional(Type.String({ description: 'why it failed, as a code of the error table' })),
  attempt: Type.Integer({ minimum: 0, description: 'how often it was given to a worker' }),
  worker_id: Type.Optional(Type.String()),
  created_at: time('submitted'),
  started_at: Type.Optional(time('the last attempt began')),
  completed_at: Type.Optional(time('ended')),
  cancel_requested_at: Type.Optional(time('its owner or an operator asked to cancel it')),
  resubmitted_from: Type.Optional(Type.String({ format: 'uuid', description: 'the earlier task that it repeats' })),
  request_id: requestId,
});

const taskSummary = Type.Object({
  task_id: Type.String({ format: 'uuid' }),
  status,
  merkle_root: Type.String({ pattern: DECIMAL, description: 'the root, decimal' }),
  leaf_index: Type.Integer({ minimum: 0 }),
  circuit_id: Type.String(),
  priority: Type.Integer({ minimum: 0, maximum: 9 }),
  error: Type.Optional(Type.String({ description: 'why it failed' })),
  code: Type.Optional(Type.String({ description: 'why it failed, as a code of the error table' })),
  attempt: Type.Integer({ minimum: 0, description: 'how often it was given to a worker' }),
  worker_id: Type.Optional(Type.String()),
  created_at: time('submitted'),
  started_at: Type.Optional(time('the last attempt began')),
  completed_at: Type.Optional(time('ended')),
});

export type TaskSummaryAnswer = Static<typeof taskSummary>;

export const tasksAnswer = Type.Object({
  success: Type.Literal(true),
  tasks: Type.Array(taskSummary),
  next_cursor: Type.Optional(Type.String({ description: 'for the next page; absent when there is none' })),
  request_id: requestId,
});

export type TaskAnswer = Static<typeof taskAnswer>;

const circuit = Type.Object({
  circuit_id: Type.String(),
  circuit_type: Type.String(),
  depth: Type.Optional(Type.Integer()),
  proof_system: Type.String(),
  curve: Type.String(),
  trusted_setup: trustedSetup,
  setup_check: Type.String(),
  public_signals: Type.Array(Type.String(), { description: 'names, in order' }),
  constraints: Type.Integer(),
  manifest_id: Type.String({ description: 'SHA-256 that stands for all files of the circuit' }),
  verification_key_id: Type.String({ description: 'SHA-256 of the verification key' }),
  verification_key_url: Type.String(),
  created_at: time('keys made'),
});

export type CircuitAnswer = Static<typeof circuit>;

export const circuitsAnswer = Type.Object({
  success: Type.Literal(true),
  circuits: Type.Array(circuit),
  request_id: requestId,
});
export const circuitAnswer = Type.Object({ success: Type.Literal(true), circuit, request_id: requestId });

/** The verification key travels as the bytes that were pinned; this describes them and serializes nothing. */
export const verificationKey = Type.Object(
  {
    protocol: Type.Literal('groth16'),
    curve: Type.Literal('bn128'),
    nPublic: Type.Integer(),
    vk_alpha_1: g1,
    vk_beta_2: g2,
    vk_gamma_2: g2,
    vk_delta_2: g2,
    IC: Type.Array(g1),
  },
  { description: "snarkjs's verification_key.json", additionalProperties: true },
);

export const checksAnswer = Type.Object({
  status: Type.String(),
  service: Type.String(),
  version: Type.String(),
  checks: Type.Record(Type.String(), Type.String()),
});

export const unavailableAnswer = Type.Object({
  success: Type.Literal(false),
  error: Type.String(),
  code: Type.Enum(['database_unavailable', 'circuit_unavailable', 'shutting_down']),
  request_id: requestId,
  // Absent when the process is stopping and was not asked.
  ...Type.Partial(checksAnswer).properties,
});

export const liveAnswer = Type.Object({
  status: Type.Literal('ok'),
  service: Type.String(),
  version: Type.String(),
  uptime_s: Type.Integer(),
});

export const frontAnswer = Type.Object({
  service: Type.String(),
  version: Type.String(),
  openapi: Type.String(),
  routes: Type.Array(Type.String()),
});

/** What any route may answer. */
const ANY_REFUSALS: readonly ErrorCode[] = [
  'invalid_request',
  'request_timeout',
  'host_not_allowed',
  'header_too_large',
  'shutting_down',
  'internal',
];

/** What any route below /api/v1 may answer. */
export const API_REFUSALS: readonly ErrorCode[] = [
  ...ANY_REFUSALS,
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'database_unavailable',
  'overloaded',
  'artifact_corrupt',
];

/** Answers by status for codes of the error table, each with its codes and texts. */
export function refusals(codes: readonly ErrorCode[]): Record<number, TObject> {
  const byStatus: Record<number, ErrorCode[]> = {};
  for (const code of codes) {
    const { http } = ERROR_TABLE[code];
    byStatus[http] = [...(byStatus[http] ?? []), code];
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([http, list]) => [
      http,
      Type.Object(
        {
          success: Type.Literal(false),
          error: Type.String({ description: 'what is wrong and what to do, for people' }),
          code: Type.Enum(list, { description: 'what is wrong, for programs' }),
          request_id: requestId,
        },
        { description: list.map((code) => `${code}: ${ERROR_TABLE[code].text}`).join(' ') },
      ),
    ]),
  );
}

export const serviceRefusals = refusals(ANY_REFUSALS);
