/**
 * Every metric of a coordinator but those of its log (`RAFT_METRICS`), in one table: name, type, labels, text.
 *
 * Label sets are closed: circuits are those that are pinned, backends and error codes those of our tables; a stranger's
 * word becomes `other`. docs/reference/metrics.md is compared with this table. Process metrics, the event loop's lag
 * among them (`nodejs_eventloop_lag_*`), come with the registry.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { createRegistry } from '../common/metrics/index.ts';

interface MetricRow {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
}

const DISK_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const WORK_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];

export const COORDINATOR_METRICS = {
  coordinator_workers_total: { type: 'gauge', help: 'Registered workers.' },
  coordinator_workers_active: { type: 'gauge', help: 'Workers heard of within half the heartbeat timeout.' },
  coordinator_workers_suspect: { type: 'gauge', help: 'Workers silent for more than half the heartbeat timeout.' },
  coordinator_workers_dead: { type: 'gauge', help: 'Workers silent for the whole timeout, about to be removed.' },
  coordinator_capacity_total: { type: 'gauge', help: 'Slots of all workers.' },
  coordinator_capacity_used: { type: 'gauge', help: 'Live leases.' },
  coordinator_queue_depth: { type: 'gauge', help: 'Pending tasks in the database, as last counted.' },
  coordinator_workers_wanted: {
    type: 'gauge',
    help: 'Workers that would clear the queue within a minute at the measured speed.',
  },
  coordinator_state_version: {
    type: 'gauge',
    help: 'Of the replicated state; it rises once all coordinators of a rolling upgrade understand the next.',
  },
  coordinator_outbox_size: { type: 'gauge', help: 'Decisions that are not in the database yet.' },
  coordinator_queue_wait_seconds: {
    type: 'histogram',
    help: 'From submission to lease, first attempts.',
    buckets: WORK_SECONDS,
  },
  coordinator_task_seconds: { type: 'histogram', help: 'From lease to accepted proof.', buckets: WORK_SECONDS },
  coordinator_verify_seconds: { type: 'histogram', help: 'One verification, queue included.', buckets: DISK_SECONDS },
  coordinator_verify_batch_proofs: {
    type: 'histogram',
    help: 'Proofs verified together, by batch.',
    buckets: [1, 2, 4, 8, 16, 32, 64],
  },
  coordinator_verify_waiting: { type: 'gauge', help: 'Proofs that wait to be verified.' },
  coordinator_assignments_total: { type: 'counter', help: 'Leases granted.' },
  coordinator_tasks_total: { type: 'counter', help: 'Tasks that ended, by outcome.', labels: ['outcome'] },
  coordinator_retries_total: { type: 'counter', help: 'Attempts that will be repeated, by cause.', labels: ['code'] },
  coordinator_proofs_total: {
    type: 'counter',
    help: 'Proofs accepted, by circuit and backend.',
    labels: ['circuit', 'backend'],
  },
  coordinator_bad_proofs_total: { type: 'counter', help: 'Proofs that did not verify.' },
  coordinator_stale_reports_total: { type: 'counter', help: 'Reports under a lease that was not live.' },
  coordinator_projection_seconds: { type: 'histogram', help: 'One batch of rows.', buckets: DISK_SECONDS },
  coordinator_projection_failures_total: { type: 'counter', help: 'Batches that the database did not take.' },
  coordinator_rpc_total: {
    type: 'counter',
    help: 'Calls of workers, by method and result.',
    labels: ['method', 'code'],
  },
} as const satisfies Readonly<Record<string, MetricRow>>;

/** Set by the leader from what it alone knows; 0 on every other node. */
export const LEADER_GAUGES = [
  'coordinator_workers_total',
  'coordinator_workers_active',
  'coordinator_workers_suspect',
  'coordinator_workers_dead',
  'coordinator_capacity_total',
  'coordinator_capacity_used',
  'coordinator_queue_depth',
  'coordinator_workers_wanted',
  'coordinator_outbox_size',
] as const;

type Name = keyof typeof COORDINATOR_METRICS;
type Named<Type extends MetricRow['type']> = {
  [K in Name]: (typeof COORDINATOR_METRICS)[K]['type'] extends Type ? K : never;
}[Name];

export interface CoordinatorMetrics {
  readonly registry: Registry;
  set(name: Named<'gauge'>, value: number): void;
  add(name: Named<'counter'>, labels?: Readonly<Record<string, string>>): void;
  /** Milliseconds in, seconds out. */
  time(name: Named<'histogram'>, durationMs: number): void;
  /** Of what is no time. */
  observe(name: Named<'histogram'>, value: number): void;
  /** Called before each scrape, to set gauges that are derived. */
  beforeScrape(refresh: () => void): void;
}

export function createMetrics(): CoordinatorMetrics {
  const registry = createRegistry('coordinator');
  const registers = [registry];
  const gauges = new Map<string, Gauge>();
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  const refreshers: (() => void)[] = [];
  for (const [name, row] of Object.entries(COORDINATOR_METRICS) as [Name, MetricRow][]) {
    const { help } = row;
    const labelNames = [...(row.labels ?? [])];
    if (row.type === 'counter') counters.set(name, new Counter({ name, help, labelNames, registers }));
    else if (row.type === 'histogram') {
      histograms.set(name, new Histogram({ name, help, buckets: [...(row.buckets ?? [])], registers }));
    } else if (name === 'coordinator_workers_total') {
      // The first metric in the table: its collection runs before all others, and so brings them up to date.
      const collect = () => {
        for (const refresh of refreshers) refresh();
      };
      gauges.set(name, new Gauge({ name, help, registers, collect }));
    } else gauges.set(name, new Gauge({ name, help, registers }));
  }
  return {
    registry,
    set: (name, value) => gauges.get(name)?.set(value),
    add: (name, labels) => counters.get(name)?.inc(labels ?? {}),
    time: (name, durationMs) => histograms.get(name)?.observe(durationMs / 1_000),
    observe: (name, value) => histograms.get(name)?.observe(value),
    beforeScrape: (refresh) => {
      refreshers.push(refresh);
    },
  };
}
