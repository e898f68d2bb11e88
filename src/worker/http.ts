/**
 * The worker's HTTP face: is it alive, can it work, would it take a task now.
 *
 * /livez (of the shared server) is about the process alone: a probe that restarts must use it, since no restart mends
 * a coordinator that is away. /health is good while the worker is registered with a leader and its task stream is
 * open; /ready moreover says that it takes tasks, so it goes bad at once when a drain begins.
 */

import type { Registry } from 'prom-client';
import { createHttpServer, type HttpServer } from '../common/http/index.ts';
import type { Logger } from '../common/index.ts';

export interface WorkerState {
  readonly workerId: string;
  readonly connected: boolean;
  /** Where it is connected to. */
  readonly coordinator: string | undefined;
  readonly term: bigint;
  readonly draining: boolean;
  readonly running: number;
  readonly queued: number;
  readonly slots: number;
  readonly reportsPending: number;
}

export interface WorkerHttpOptions {
  readonly logger: Logger;
  readonly registry: Registry | undefined;
  readonly metricsPath: string | undefined;
  readonly state: () => WorkerState;
}

export function createWorkerHttp({ logger, registry, metricsPath, state }: WorkerHttpOptions): HttpServer {
  const app = createHttpServer({
    logger,
    service: 'worker',
    ...(registry === undefined ? {} : { registry }),
    ...(metricsPath === undefined ? {} : { metricsPath }),
    bodyLimitBytes: 1024,
  });
  app.get('/health', async (_request, reply) => {
    const now = state();
    reply.code(now.connected ? 200 : 503);
    return { status: now.connected ? 'ok' : 'no coordinator', ...describe(now) };
  });
  app.get('/ready', async (_request, reply) => {
    const now = state();
    const status = now.draining ? 'draining' : now.connected ? 'ok' : 'no coordinator';
    reply.code(status === 'ok' ? 200 : 503);
    return { status, ...describe(now) };
  });
  return app;
}

const describe = (now: WorkerState): Record<string, unknown> => ({
  worker_id: now.workerId,
  connected: now.connected,
  coordinator: now.coordinator ?? null,
  term: Number(now.term),
  draining: now.draining,
  running: now.running,
  queued: now.queued,
  slots: now.slots,
  reports_pending: now.reportsPending,
});
