import { Registry } from 'prom-client';
import { COORDINATOR_METRICS } from '../../src/coordinator/metrics.ts';
import { createGatewayMetrics } from '../../src/gateway/metrics.ts';
import { RAFT_METRICS } from '../../src/raft/node/metrics.ts';
import { WORKER_METRICS } from '../../src/worker/metrics.ts';
import { page, table } from './page.ts';

interface MetricRow {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

export function metricsPage(): string {
  const services: readonly (readonly [string, readonly MetricRow[]])[] = [
    ['gateway', gatewayRows()],
    ['coordinator', rowsOf(COORDINATOR_METRICS)],
    ['worker', Object.values(WORKER_METRICS)],
  ];
  return page('Metrics', 'the metrics that each service registers', [
    'Each service serves Prometheus text at `metrics.path` (default `/metrics`): gateway and coordinator on their HTTP',
    'port, a worker on `metrics.port`. Label values come from closed sets; times are in seconds. Every process shows, too,',
    "what prom-client collects by itself: `process_*` and `nodejs_*`, the event loop's lag among them.",
    '',
    ...services.flatMap(([name, rows]) => [`## ${name}`, '', ...metricsTable(rows)]),
    '## raft',
    '',
    'The replicated log of a coordinator (`createRaftMetrics` in `src/raft`), among the metrics of its host.',
    '',
    ...metricsTable(rowsOf(RAFT_METRICS)),
  ]);
}

const metricsTable = (rows: readonly MetricRow[]): readonly string[] =>
  table(['metric', 'type', 'labels', 'meaning'], rows.map(cells).sort(byName));

type Table = Readonly<Record<string, Omit<MetricRow, 'name' | 'labels'> & Partial<Pick<MetricRow, 'labels'>>>>;

const rowsOf = (metrics: Table): MetricRow[] =>
  Object.entries(metrics).map(([name, { type, labels, help }]) => ({ name, type, labels: labels ?? [], help }));

const byName = (a: readonly string[], b: readonly string[]): number => String(a[0]).localeCompare(String(b[0]));

const cells = (row: MetricRow): string[] => [
  `\`${row.name}\``,
  row.type,
  row.labels.map((label) => `\`${label}\``).join(', ') || '-',
  row.help,
];

/** The gateway's metrics have no table of their own: they are read from a registry. */
function gatewayRows(): MetricRow[] {
  const registry = new Registry();
  createGatewayMetrics(registry, () => 0);
  return registry.getMetricsAsArray().map((metric) => {
    const known = metric as unknown as {
      name: string;
      help: string;
      labelNames?: string[];
      constructor: { name: string };
    };
    return {
      name: known.name,
      type: known.constructor.name.toLowerCase(),
      labels: (known.labelNames ?? []).filter((label) => label !== 'le'),
      help: known.help,
    };
  });
}
