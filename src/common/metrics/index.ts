/**
 * The metrics that every process of zkraft has: build, CPU, memory, event-loop lag, garbage collection.
 *
 * Names without prefix (`process_*`, `nodejs_*`) are prom-client's own and what dashboards expect. The event loop's
 * lag is `nodejs_eventloop_lag_seconds` and its percentiles: a main thread that proves would show there first.
 */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { VERSION } from '../version.ts';

/** A registry of its own for `service`; services in one process do not share one. */
export function createRegistry(service: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'zkraft_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['service', 'version', 'node'],
    registers: [registry],
  }).set({ service, version: VERSION, node: process.version }, 1);
  return registry;
}
