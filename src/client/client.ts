/**
 * The SDK's one object: submits Merkle tasks to a gateway and brings the proofs.
 *
 * Waiting is a long-poll, repeated; a gateway that is away for a while is waited for, within `timeoutMs`. A submit may
 * be sent twice by a retry: without `fresh` the gateway knows the same request again, and with `fresh` an idempotency
 * key is made here, so that it stays one task.
 */
import { formatDurationMs, ZkraftError } from '../common/core.ts';
import { cancelled, pause, Transport } from './transport.ts';
import type {
  CallOptions,
  CancelledTask,
  Client,
  ClientOptions,
  MerkleTaskRequest,
  SubmittedTask,
  Task,
  VerificationKey,
  WaitOptions,
} from './types.ts';
import { readCircuits, readHealth, readSubmitted, readTask, readTasks, submitBody } from './wire.ts';

const POLL_MS = 20_000;
/** What an answer may be late by beyond the time it was asked to wait. */
const POLL_SLACK_MS = 10_000;
const WAIT_MS = 10 * 60_000;
/** Between polls that came back at once and unchanged: from a gateway whose long-polls are all taken. */
const IDLE_MS_MIN = 250;
const IDLE_MS_MAX = 2_000;

const FINAL: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

/** Throws `invalid_request` when `url` is none. */
export function createClient(options: ClientOptions): Client {
  const transport = new Transport(options);

  async function submitMerkleTask(request: MerkleTaskRequest, { signal }: CallOptions = {}): Promise<SubmittedTask> {
    const key = request.idempotencyKey ?? (request.fresh === true ? globalThis.crypto.randomUUID() : undefined);
    const { status, body } = await transport.send({
      method: 'POST',
      path: 'api/v1/tasks/merkle',
      body: submitBody(request),
      ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
      ...(signal === undefined ? {} : { signal }),
    });
    return readSubmitted(body, status === 202);
  }

  async function poll(taskId: string, waitMs: number, retriesMax: number | undefined, signal?: AbortSignal) {
    const { body } = await transport.send({
      method: 'GET',
      path: `api/v1/tasks/${encodeURIComponent(taskId)}${waitMs > 0 ? `?wait=${waitMs}ms` : ''}`,
      ...(waitMs > 0 ? { timeoutMs: waitMs + POLL_SLACK_MS } : {}),
      ...(retriesMax === undefined ? {} : { retriesMax }),
      ...(signal === undefined ? {} : { signal }),
    });
    return readTask(body);
  }

  async function waitForTask(taskId: string, options: WaitOptions = {}): Promise<Task> {
    const { signal, timeoutMs = WAIT_MS, onUpdate } = options;
    const deadline = AbortSignal.timeout(timeoutMs);
    const both = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    const endMs = performance.now() + timeoutMs;
    let last: Task | undefined;
    let idleMs = IDLE_MS_MIN;
    try {
      for (;;) {
        const askedMs = performance.now();
        // The first answer comes at once, so that the caller sees where the task stands.
        const waitMs = last === undefined ? 0 : Math.min(POLL_MS, Math.max(1, Math.ceil(endMs - askedMs)));
        const task = await poll(taskId, waitMs, Number.POSITIVE_INFINITY, both);
        const changed = last?.status !== task.status || last.attempt !== task.attempt;
        const atOnce = last !== undefined && performance.now() - askedMs < IDLE_MS_MIN;
        last = task;
        if (changed) onUpdate?.(task);
        if (FINAL.has(task.status)) return task;
        idleMs = atOnce && !changed ? Math.min(IDLE_MS_MAX, idleMs * 2) : IDLE_MS_MIN;
        if (atOnce) await pause(idleMs, both);
      }
    } catch (thrown) {
      if (signal?.aborted) throw cancelled(signal);
      if (!deadline.aborted) throw thrown;
      throw new ZkraftError(
        'request_timeout',
        `task ${taskId} is ${last?.status ?? 'not known yet'} after ${formatDurationMs(timeoutMs)}; it goes on, wait again`,
        { cause: thrown },
      );
    }
  }

  const post = (taskId: string, what: 'cancel' | 'resubmit', { signal }: CallOptions) =>
    transport.send({
      method: 'POST',
      path: `api/v1/tasks/${encodeURIComponent(taskId)}/${what}`,
      ...(signal === undefined ? {} : { signal }),
    });

  async function cancelTask(taskId: string, options: CallOptions = {}): Promise<CancelledTask> {
    const { created: _, ...answer } = readSubmitted((await post(taskId, 'cancel', options)).body, false);
    return answer;
  }

  async function resubmitTask(taskId: string, options: CallOptions = {}): Promise<SubmittedTask> {
    const { status, body } = await post(taskId, 'resubmit', options);
    return readSubmitted(body, status === 202);
  }

  const get = (path: string, { signal }: CallOptions, accept?: readonly number[]) =>
    transport.send({
      method: 'GET',
      path,
      ...(signal === undefined ? {} : { signal }),
      ...(accept === undefined ? {} : { accept }),
    });

  return {
    submitMerkleTask,
    getTask: (taskId, { signal } = {}) => poll(taskId, 0, undefined, signal),
    tasks: async ({ status, limit, cursor, ...callOptions } = {}) => {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries({ status, limit, cursor })) {
        if (value !== undefined) query.set(name, String(value));
      }
      return readTasks((await get(`api/v1/tasks${query.size > 0 ? `?${query}` : ''}`, callOptions)).body);
    },
    waitForTask,
    cancelTask,
    resubmitTask,
    circuits: async (callOptions = {}) => readCircuits((await get('api/v1/circuits', callOptions)).body),
    verificationKey: async (circuitId, callOptions = {}) => {
      const { body } = await get(`api/v1/circuits/${encodeURIComponent(circuitId)}/verification-key`, callOptions);
      if (body.protocol !== 'groth16' || !Array.isArray(body.IC)) {
        throw new ZkraftError('vkey_invalid', `what the gateway sent for ${circuitId} is no Groth16 verification key`);
      }
      return body as unknown as VerificationKey;
    },
    health: async (callOptions = {}) => {
      const { status, body } = await get('health', callOptions, [503]);
      return readHealth(body, status === 200);
    },
  };
}
