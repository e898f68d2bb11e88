/** POST /api/v1/tasks/{id}/cancel and /resubmit: what the owner of a task can still say about it. */
import type { FastifyReply } from 'fastify';
import { errorAnswer, type HttpServer } from '../common/http/index.ts';
import { type ErrorCode, ZkraftError } from '../common/index.ts';
import type { TaskRow, TaskStore } from '../store/types.ts';
import * as schemas from './schemas.ts';

const CONTROL_REFUSALS: readonly ErrorCode[] = [...schemas.API_REFUSALS, 'invalid_task_id', 'task_not_found'];

export function addControlRoutes(api: HttpServer, { tasks }: { readonly tasks: TaskStore }): void {
  api.post(
    '/tasks/:id/cancel',
    {
      config: { scope: 'cancel' },
      schema: {
        operationId: 'cancelTask',
        summary: 'Ask for the end of a task, even while it is being proved',
        description:
          'Answers once the request is stored. The task ends as cancelled within moments, unless its proof was ' +
          'accepted before; GET /api/v1/tasks/{id}?wait=20s tells which. Needs the scope cancel.',
        tags: ['tasks'],
        params: schemas.taskParams,
        querystring: schemas.noQuery,
        response: {
          202: { description: 'The request is stored.', ...schemas.controlAnswer },
          200: { description: 'It was asked for before.', ...schemas.controlAnswer },
          ...schemas.refusals(CONTROL_REFUSALS),
          409: schemas.endedAnswer('task_ended'),
        },
      },
    },
    async (request, reply) => {
      const id = request.params.id.toLowerCase();
      const found = await tasks.requestCancel(request.owner, id, request.id);
      if (found === undefined) throw notFound();
      const { task, outcome } = found;
      if (outcome === 'ended') {
        const error = new ZkraftError('task_ended', `the task is ${task.status}; what has ended cannot be cancelled`);
        return refuse(reply, error, task);
      }
      request.log.info({ task_id: task.id, owner: task.owner, asked: outcome === 'asked' }, 'cancellation requested');
      return reply.code(outcome === 'asked' ? 202 : 200).send({
        success: true as const,
        task_id: task.id,
        status: task.status,
        message: outcome === 'asked' ? 'the task is being cancelled' : 'the task is being cancelled already',
        request_id: request.id,
      });
    },
  );

  api.post(
    '/tasks/:id/resubmit',
    {
      config: { scope: 'submit' },
      schema: {
        operationId: 'resubmitTask',
        summary: 'Do a failed or cancelled task again, as a new task',
        description:
          'The new task has the same tree, index, depth, external hash and priority, and names the earlier one in ' +
          'resubmitted_from. Asked twice it is one task: the second answer is 200 with the first one. Needs the scope submit.',
        tags: ['tasks'],
        params: schemas.taskParams,
        querystring: schemas.noQuery,
        response: {
          202: { description: 'A new task.', ...schemas.controlAnswer },
          200: { description: 'It was done again before; X-Cache is HIT.', ...schemas.controlAnswer },
          ...schemas.refusals(CONTROL_REFUSALS),
          409: schemas.endedAnswer('task_not_failed'),
        },
      },
    },
    async (request, reply) => {
      const id = request.params.id.toLowerCase();
      const found = await tasks.resubmit(request.owner, id, request.id);
      if (found === undefined) throw notFound();
      const { task, outcome } = found;
      if (outcome === 'refused') {
        const error = new ZkraftError(
          'task_not_failed',
          `the task is ${task.status}; only a failed or cancelled one is done again`,
        );
        return refuse(reply, error, task);
      }
      const created = outcome === 'repeated';
      request.log.info({ task_id: task.id, resubmitted_from: id, created, owner: task.owner }, 'task resubmitted');
      reply.header('x-cache', created ? 'MISS' : 'HIT').header('location', `/api/v1/tasks/${task.id}`);
      return reply.code(created ? 202 : 200).send({
        success: true as const,
        task_id: task.id,
        status: task.status,
        message: created ? 'a new task is stored and waits for a worker' : `it is done again already: ${task.status}`,
        resubmitted_from: id,
        request_id: request.id,
      });
    },
  );
}

const notFound = (): ZkraftError =>
  new ZkraftError('task_not_found', 'no task of yours has this id; use the task_id that the submit answered', {
    field: 'id',
  });

/** 409 with the status that stands in the way. */
function refuse(reply: FastifyReply, error: ZkraftError, task: TaskRow): FastifyReply {
  const { request } = reply;
  request.errorCode = error.code;
  return reply.code(error.row.http).send({ ...errorAnswer(error, request.id), status: task.status });
}
