/**
 * Every metric of the worker, in one table; all else that /metrics shows is common to all processes.
 *
 * Label sets are closed: a circuit that is none of the project's Merkle circuits counts as `other`, so that no
 * coordinator can make the series grow without limit. Event-loop lag is among the common ones
 * (`nodejs_eventloop_lag_seconds`).
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export const OUTCOMES = [
  'completed',
  'failed',
  'timeout',
  'cancelled',
  'dropped',
  'handed_back',
  'stale',
  'refused',
] as const;
/**
 * How a task ended here. completed: the proof was acknowledged; failed, timeout: reported as such; cancelled, dropped:
 * the coordinator took it back; handed_back: given back in a drain; stale, refused: the proof was not accepted.
 */
export type Outcome = (typeof OUTCOMES)[number];

export const STAGES = ['fetch', 'queue', 'witness', 'prove', 'verify', 'report'] as const;
export type Stage = (typeof STAGES)[number];

interface MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

export const WORKER_METRICS = {
  tasks: {
    name: 'worker_tasks_total',
    type: 'counter',
    labels: ['circuit', 'backend', 'outcome'],
    help: 'Tasks by how they ended here.',
  },
  stages: {
    name: 'worker_stage_duration_seconds',
    type: 'histogram',
    labels: ['stage'],
    help: 'Time a task spent fetching keys, queued for a thread, in witness, proof and self-check, and being reported.',
  },
  running: { name: 'worker_tasks_running', type: 'gauge', labels: [], help: 'Tasks being proved.' },
  queued: { name: 'worker_tasks_queued', type: 'gauge', labels: [], help: 'Tasks waiting for a free slot.' },
  slots: { name: 'worker_slots', type: 'gauge', labels: [], help: 'Proofs that may be made at the same time.' },
  reportsPending: {
    name: 'worker_reports_pending',
    type: 'gauge',
    labels: [],
    help: 'Reports that the coordinator has not answered yet.',
  },
  spooled: {
    name: 'worker_spooled_proofs',
    type: 'gauge',
    labels: [],
    help: 'Finished proofs on disk, not acknowledged yet.',
  },
  connected: {
    name: 'worker_connected',
    type: 'gauge',
    labels: [],
    help: '1 while registered with a leader and its task stream is open.',
  },
  reconnects: {
    name: 'worker_reconnects_total',
    type: 'counter',
    labels: [],
    help: 'Connections that were registered and ended.',
  },
  heartbeats: {
    name: 'worker_heartbeats_total',
    type: 'counter',
    labels: ['acknowledged'],
    help: 'Heartbeats sent, by whether they were acknowledged (yes, no).',
  },
  heartbeatLag: {
    name: 'worker_heartbeat_lag_seconds',
    type: 'histogram',
    labels: [],
    help: 'How much later than planned a heartbeat was sent.',
  },
  fetchedBytes: {
    name: 'worker_artifact_fetched_bytes_total',
    type: 'counter',
    labels: [],
    help: 'Bytes of circuit files fetched from coordinators.',
  },
} as const satisfies Record<string, MetricRow>;

/** What the gauges show at the moment of a scrape. */
export interface GaugeSource {
  running(): number;
  queued(): number;
  slots(): number;
  reportsPending(): number;
  spooled(): number;
  connected(): boolean;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const MERKLE_CIRCUIT = /^merkle-(?:[1-9]|[12]\d|3[0-2])$/;

export class WorkerMetrics {
  readonly #tasks: Counter;
  readonly #stages: Histogram;
  readonly #reconnects: Counter;
  readonly #heartbeats: Counter;
  readonly #heartbeatLag: Histogram;
  readonly #fetchedBytes: Counter;

  constructor(registry: Registry, source: GaugeSource) {
    const counter = (row: MetricRow): Counter =>
      new Counter({ name: row.name, help: row.help, labelNames: [...row.labels], registers: [registry] });
    const histogram = (row: MetricRow): Histogram =>
      new Histogram({
        name: row.name,
        help: row.help,
        labelNames: [...row.labels],
        buckets: SECONDS,
        registers: [registry],
      });
    const gauge = (row: MetricRow, value: () => number): void => {
      new Gauge({
        name: row.name,
        help: row.help,
        registers: [registry],
        collect() {
          this.set(value());
        },
      });
    };
    this.#tasks = counter(WORKER_METRICS.tasks);
    this.#stages = histogram(WORKER_METRICS.stages);
    this.#reconnects = counter(WORKER_METRICS.reconnects);
    this.#heartbeats = counter(WORKER_METRICS.heartbeats);
    this.#heartbeatLag = histogram(WORKER_METRICS.heartbeatLag);
    this.#fetchedBytes = counter(WORKER_METRICS.fetchedBytes);
    gauge(WORKER_METRICS.running, () => source.running());
    gauge(WORKER_METRICS.queued, () => source.queued());
    gauge(WORKER_METRICS.slots, () => source.slots());
    gauge(WORKER_METRICS.reportsPending, () => source.reportsPending());
    gauge(WORKER_METRICS.spooled, () => source.spooled());
    gauge(WORKER_METRICS.connected, () => (source.connected() ? 1 : 0));
  }

  taskEnded(circuitId: string, backend: string, outcome: Outcome): void {
    this.#tasks.inc({ circuit: MERKLE_CIRCUIT.test(circuitId) ? circuitId : 'other', backend, outcome });
  }

  stage(stage: Stage, ms: number): void {
    this.#stages.observe({ stage }, Math.max(0, ms) / 1_000);
  }

  reconnected(): void {
    this.#reconnects.inc();
  }

  heartbeat(lagMs: number, acknowledged: boolean): void {
    this.#heartbeats.inc({ acknowledged: acknowledged ? 'yes' : 'no' });
    this.#heartbeatLag.observe(Math.max(0, lagMs) / 1_000);
  }

  fetched(bytes: number): void {
    this.#fetchedBytes.inc(bytes);
  }
}
