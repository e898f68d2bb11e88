/**
 * GET /api/v1/tasks: the caller's own tasks, the newest first, a page at a time.
 *
 * Pages go by (created_at, id), so that tasks which come or end in between are neither skipped nor shown twice. The
 * cursor is the key of the last task of a page. It is opaque to clients and needs no secret: whatever it says, a page
 * holds only what the caller owns.
 */
import type { HttpServer } from '../common/http/index.ts';
import { fromBytesBE, ZkraftError } from '../common/index.ts';
import type { TaskStore, TaskSummary } from '../store/types.ts';
import * as schemas from './schemas.ts';

const LIMIT_DEFAULT = 20;
const CURSOR = /^(\d{1,15}) ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

export function addTaskList(api: HttpServer, tasks: TaskStore): void {
  api.get(
    '/tasks',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listTasks',
        summary: 'Your tasks, the newest first',
        description:
          'A page of them, without proofs. next_cursor is there while there may be more: send it as cursor, with the ' +
          'same status, for the next page. Needs the scope read.',
        tags: ['tasks'],
        querystring: schemas.listQuery,
        response: {
          200: { description: 'The page.', ...schemas.tasksAnswer },
          ...schemas.refusals(schemas.API_REFUSALS),
        },
      },
    },
    async (request) => {
      const { cursor, limit: asked, status } = request.query;
      const limit = asked === undefined ? LIMIT_DEFAULT : Number(asked);
      const rows = await tasks.list(request.owner, {
        limit,
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { after: readCursor(cursor) }),
      });
      const last = rows.at(-1);
      return {
        success: true as const,
        tasks: rows.map(summarize),
        ...(last && rows.length === limit ? { next_cursor: writeCursor(last) } : {}),
        request_id: request.id,
      };
    },
  );
}

function writeCursor({ createdAt, id }: TaskSummary): string {
  return Buffer.from(`${createdAt.getTime()} ${id}`).toString('base64url');
}

function readCursor(cursor: string): { createdAt: Date; id: string } {
  const match = CURSOR.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (!match?.[1] || !match[2]) {
    throw new ZkraftError('invalid_request', 'cursor is not one that this route answered; begin without it', {
      field: 'cursor',
    });
  }
  return { createdAt: new Date(Number(match[1])), id: match[2] };
}

function summarize(row: TaskSummary): schemas.TaskSummaryAnswer {
  return {
    task_id: row.id,
    status: row.status,
    merkle_root: fromBytesBE(row.root).toString(),
    leaf_index: row.leafIndex,
    circuit_id: row.circuitId,
    priority: row.priority,
    ...(row.errorMessage === undefined ? {} : { error: row.errorMessage }),
    ...(row.errorCode === undefined ? {} : { code: row.errorCode }),
    attempt: row.attempt,
    ...(row.workerId === undefined ? {} : { worker_id: row.workerId }),
    created_at: row.createdAt.toISOString(),
    ...(row.startedAt === undefined ? {} : { started_at: row.startedAt.toISOString() }),
    ...(row.completedAt === undefined ? {} : { completed_at: row.completedAt.toISOString() }),
  };
}
