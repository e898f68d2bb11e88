/** POST /api/v1/tasks/merkle and GET /api/v1/tasks/{id}. */
import type { FastifyRequest } from 'fastify';
import type { HttpServer } from '../common/http/index.ts';
import { type ErrorCode, parseDurationMs, ZkraftError } from '../common/index.ts';
import type { InsertOutcome, TaskRow, TaskStore } from '../store/types.ts';
import type { Circuits } from './circuits.ts';
import type { LongPolls } from './long-polls.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { TreeRoots } from './roots.ts';
import * as schemas from './schemas.ts';
import { newTask } from './submission.ts';
import { describeTask, isTerminal } from './task-answer.ts';

export interface TaskRouteParts {
  readonly tasks: TaskStore;
  readonly circuits: Circuits;
  readonly roots: TreeRoots;
  readonly longPolls: LongPolls;
  readonly metrics: GatewayMetrics;
  readonly defaultDepth: number;
  readonly leavesMax: number;
  readonly longPollMaxMs: number;
}

const SUBMIT_REFUSALS: readonly ErrorCode[] = [
  'invalid_json',
  'invalid_leaves',
  'invalid_leaf',
  'invalid_leaf_index',
  'invalid_depth',
  'invalid_priority',
  'invalid_external_hash',
  'invalid_idempotency_key',
  'idempotency_conflict',
  'circuit_unavailable',
  'body_too_large',
  'unsupported_media_type',
  'prover_crashed',
];

export function addTaskRoutes(api: HttpServer, parts: TaskRouteParts): void {
  api.post(
    '/tasks/merkle',
    {
      config: { scope: 'submit' },
      schema: {
        operationId: 'submitMerkleTask',
        summary: 'Ask for a proof that a leaf is in a Merkle tree',
        description:
          'Answers 202 once the task is stored. The same request again (same owner, leaves, index, depth, external ' +
          'hash and circuit) is the same task and answers 200, unless that task failed or was cancelled. Needs the scope ' +
          'submit.',
        tags: ['tasks'],
        querystring: schemas.noQuery,
        headers: schemas.submitHeaders,
        body: schemas.submitBody(parts.leavesMax, parts.defaultDepth),
        response: {
          202: { description: 'A new task.', ...schemas.submitAnswer },
          200: { description: 'The same request was there before; X-Cache is HIT.', ...schemas.submitAnswer },
          ...schemas.refusals([...schemas.API_REFUSALS, ...SUBMIT_REFUSALS]),
        },
      },
      preValidation: async (request) => {
        checkIdempotencyKey(request);
        if (typeof request.body === 'object' && request.body !== null && Object.hasOwn(request.body, 'leaf_indices')) {
          throw new ZkraftError(
            'invalid_request',
            'leaf_indices is not offered by this version; submit one task for each index, with leaf_index',
            { field: 'leaf_indices' },
          );
        }
      },
      onResponse: async (request, reply) => {
        if (reply.statusCode === 202) parts.metrics.submissions.inc({ outcome: 'created' });
        else if (reply.statusCode === 200) parts.metrics.submissions.inc({ outcome: 'repeated' });
        else parts.metrics.submissions.inc({ outcome: reply.statusCode >= 500 ? 'failed' : 'refused' });
        if (reply.statusCode >= 500) request.log.warn({ code: request.errorCode }, 'a submit failed');
      },
    },
    async (request, reply) => {
      const key = request.headers['idempotency-key'];
      const submitter = {
        owner: request.owner,
        requestId: request.id,
        ...(request.keyId === undefined ? {} : { keyId: request.keyId }),
        ...(key === undefined ? {} : { idempotencyKey: key }),
      };
      const task = await newTask(request.body, submitter, parts);
      const { task: row, created } = await parts.tasks.insert(task);
      request.log.info({ task_id: row.id, circuit_id: row.circuitId, created, owner: row.owner }, 'task submitted');
      reply.header('x-cache', created ? 'MISS' : 'HIT').header('location', `/api/v1/tasks/${row.id}`);
      return reply.code(created ? 202 : 200).send({
        success: true as const,
        task_id: row.id,
        status: row.status,
        message: messageFor({ task: row, created }),
        request_id: request.id,
      });
    },
  );

  api.get(
    '/tasks/:id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getTask',
        summary: 'A task: its status and, once it is completed, its proof',
        description: 'Needs the scope read.',
        tags: ['tasks'],
        params: schemas.taskParams,
        querystring: schemas.waitQuery,
        response: {
          200: { description: 'The task.', ...schemas.taskAnswer },
          ...schemas.refusals([...schemas.API_REFUSALS, 'invalid_task_id', 'task_not_found']),
        },
      },
    },
    async (request) => {
      const id = request.params.id.toLowerCase();
      const waitMs = Math.min(parseDurationMs(request.query.wait ?? '0s', 'wait'), parts.longPollMaxMs);
      const now = await parts.tasks.find(request.owner, id);
      const row = now && waitMs > 0 && !isTerminal(now.status) ? await waitFor(request, now, waitMs, parts) : now;
      if (!row) {
        throw new ZkraftError(
          'task_not_found',
          'no task of yours has this id; use the task_id that the submit answered',
          {
            field: 'id',
          },
        );
      }
      return describeTask(row, await parts.circuits.find(row.circuitId), request.id);
    },
  );
}

function messageFor({ task, created }: InsertOutcome): string {
  if (created) return 'the task is stored and waits for a worker';
  return `the same request was there before; this task is ${task.status}`;
}

/** Two headers of the name would be joined into one key that the client never chose. */
function checkIdempotencyKey(request: FastifyRequest): void {
  if ((request.raw.headersDistinct['idempotency-key']?.length ?? 0) <= 1) return;
  throw new ZkraftError('invalid_idempotency_key', 'send Idempotency-Key once', { field: 'Idempotency-Key' });
}

/** The row once it is terminal, or as it is when time runs out, the client goes away or the server closes. */
async function waitFor(
  request: FastifyRequest,
  now: TaskRow,
  waitMs: number,
  { tasks, longPolls, metrics }: TaskRouteParts,
): Promise<TaskRow | undefined> {
  let leave: () => void;
  try {
    leave = longPolls.enter(request.client);
  } catch (thrown) {
    metrics.longPolls.inc({ outcome: 'refused' });
    throw thrown;
  }
  const { closing } = request.server;
  const { socket } = request.raw;
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  // Requests can be pipelined on one socket; how many wait is limited by `longPolls`.
  socket.setMaxListeners(0);
  socket.once('close', onStop);
  closing.addEventListener('abort', onStop, { once: true });
  const { signal } = stop;
  try {
    const row = await tasks.waitTerminal(request.owner, now.id, waitMs, signal).catch((thrown: unknown) => {
      // An abort is not an error here: what was known is still true, and the client may ask again.
      if (signal.aborted) return now;
      throw thrown;
    });
    const outcome =
      row && isTerminal(row.status) ? 'ended' : closing.aborted ? 'closed' : signal.aborted ? 'gone' : 'timeout';
    metrics.longPolls.inc({ outcome });
    return row;
  } finally {
    socket.removeListener('close', onStop);
    closing.removeEventListener('abort', onStop);
    leave();
  }
}
