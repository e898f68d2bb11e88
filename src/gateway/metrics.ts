/**
 * Every metric of the gateway. All label sets are closed: a client cannot make a new series.
 *
 * | name | kind | labels |
 * |---|---|---|
 * | gateway_http_requests_total | counter | route (pattern or `none`), method, status (`2xx` ...) |
 * | gateway_http_request_duration_seconds | histogram | route, method; long-polls are not in it |
 * | gateway_submissions_total | counter | outcome: created, repeated, refused, failed |
 * | gateway_rate_limited_total | counter | by: key, address |
 * | gateway_long_polls_open | gauge | |
 * | gateway_long_polls_total | counter | outcome: ended, timeout, gone, closed, refused |
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);

export type GatewayMetrics = ReturnType<typeof createGatewayMetrics>;

export function createGatewayMetrics(registry: Registry, openLongPolls: () => number) {
  const registers = [registry];
  new Gauge({
    name: 'gateway_long_polls_open',
    help: 'Requests that wait for a task to end.',
    registers,
    collect() {
      this.set(openLongPolls());
    },
  });
  return {
    requests: new Counter({
      name: 'gateway_http_requests_total',
      help: 'Requests answered.',
      labelNames: ['route', 'method', 'status'],
      registers,
    }),
    durations: new Histogram({
      name: 'gateway_http_request_duration_seconds',
      help: 'Time from request to answer, without long-polls.',
      labelNames: ['route', 'method'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    submissions: new Counter({
      name: 'gateway_submissions_total',
      help: 'Submitted tasks: created, repeated (the same request again), refused (4xx), failed (5xx).',
      labelNames: ['outcome'],
      registers,
    }),
    rateLimited: new Counter({
      name: 'gateway_rate_limited_total',
      help: 'Requests refused for coming too fast, by what the client was known by.',
      labelNames: ['by'],
      registers,
    }),
    longPolls: new Counter({
      name: 'gateway_long_polls_total',
      help: 'Long-polls: the task ended, time ran out, the client went away, the gateway closed, no place was free.',
      labelNames: ['outcome'],
      registers,
    }),
  };
}

export const methodLabel = (method: string): string => (METHODS.has(method) ? method : 'other');
