import { Registry } from 'prom-client';
import { createCoordinatorMetrics } from '../../src/coordinator/metrics.ts';
import { createGatewayMetrics } from '../../src/gateway/metrics.ts';
import { createWorkerMetrics } from '../../src/worker/metrics.ts';
import { page, table } from './page.ts';

export async function metricsPage(): Promise<string> {
  const services = [
    ['gateway', createGatewayMetrics],
    ['coordinator', createCoordinatorMetrics],
    ['worker', createWorkerMetrics],
  ] as const;
  const body: string[] = [
    'Each service serves Prometheus text at `metrics.path` (default `/metrics`): gateway and coordinator on their HTTP',
    'port, a worker on `metrics.port`. Label values come from closed sets. Times are in seconds.',
    '',
  ];
  for (const [name, create] of services) {
    const registry = new Registry();
    create(registry);
    body.push(`## ${name}`, '', ...table(['metric', 'type', 'labels', 'meaning'], rows(registry)));
  }
  return page('Metrics', 'the metrics that each service registers', body);
}

function rows(registry: Registry): string[][] {
  return registry
    .getMetricsAsArray()
    .map((metric) => {
      const known = metric as unknown as {
        name: string;
        help: string;
        labelNames?: string[];
        constructor: { name: string };
      };
      return [
        `\`${known.name}\``,
        known.constructor.name.toLowerCase(),
        (known.labelNames ?? [])
          .filter((label) => label !== 'le')
          .map((label) => `\`${label}\``)
          .join(', ') || '-',
        known.help,
      ];
    })
    .sort((a, b) => String(a[0]).localeCompare(String(b[0])));
}
