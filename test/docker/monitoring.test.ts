/** Alerts and dashboard ask for metrics and labels that there are, of targets that there are. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parser } from '@prometheus-io/lezer-promql';
import { type Metric, Registry } from 'prom-client';
import { parse } from 'yaml';
import { createRegistry } from '../../src/common/metrics/index.ts';
import { createMetrics } from '../../src/coordinator/metrics.ts';
import { createGatewayMetrics } from '../../src/gateway/metrics.ts';
import { createRaftMetrics } from '../../src/raft/index.ts';
import { WorkerMetrics } from '../../src/worker/metrics.ts';
import { ROOT } from '../support/cli.ts';
import { MONITORING, readCompose } from './compose.ts';
import { imageOf } from './dockerfile.ts';

const FOLDER = 'docker/monitoring';
const read = (path: string): string => readFileSync(join(ROOT, FOLDER, path), 'utf8');

/** What Prometheus adds to whatever it scrapes. */
const TARGET_LABELS = ['job', 'instance'];
const SERVICES = ['coordinator', 'gateway', 'worker'];

interface Selected {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** Labels by the name of each series that a process may show: of all services, and what Prometheus itself makes. */
function knownSeries(): Map<string, readonly string[]> {
  const worker = createRegistry('worker');
  const none = (): number => 0;
  new WorkerMetrics(worker, {
    running: none,
    queued: none,
    slots: none,
    reportsPending: none,
    spooled: none,
    connected: () => true,
  });
  const gateway = createRegistry('gateway');
  createGatewayMetrics(gateway, none);
  const raft = new Registry();
  createRaftMetrics(raft);
  const series = new Map<string, readonly string[]>([['up', []]]);
  for (const registry of [worker, gateway, raft, createMetrics().registry]) {
    for (const known of registry.getMetricsAsArray() as unknown as (Metric & {
      name: string;
      labelNames?: string[];
    })[]) {
      const labels = (known.labelNames ?? []).filter((label) => label !== 'le');
      const isHistogram = known.constructor.name === 'Histogram';
      if (!isHistogram) series.set(known.name, labels);
      if (isHistogram || known.constructor.name === 'Summary') {
        series.set(`${known.name}_bucket`, [...labels, 'le']);
        for (const ending of ['sum', 'count']) series.set(`${known.name}_${ending}`, labels);
      }
    }
  }
  return series;
}

/** Grafana fills in its own variable before Prometheus reads the expression. */
const filled = (expression: string): string => expression.replaceAll('$__rate_interval', '5m');

/** What an expression selects, and every label that it names; throws when it is no PromQL. */
function readExpression(expression: string): {
  readonly selected: readonly Selected[];
  readonly labels: readonly string[];
} {
  const text = filled(expression);
  const selected: { metric: string; labels: string[] }[] = [];
  const labels: string[] = [];
  parser.parse(text).iterate({
    enter: ({ name, from, to, type }) => {
      if (type.isError) throw new Error(`${expression}: not PromQL at ${from}: ${text.slice(from, from + 20)}`);
      if (name === 'VectorSelector') selected.push({ metric: '', labels: [] });
      const last = selected.at(-1);
      if (name === 'Identifier' && last !== undefined && last.metric === '') last.metric = text.slice(from, to);
      if (name === 'LabelName') labels.push(text.slice(from, to));
    },
  });
  return { selected, labels };
}

const series = knownSeries();

function problemsOf(expression: string): string[] {
  const { selected, labels } = readExpression(expression);
  const metrics = selected.map(({ metric }) => metric);
  const unknown = metrics
    .filter((metric) => !series.has(metric))
    .map((metric) => `${metric} is no metric: ${expression}`);
  const known = new Set([...TARGET_LABELS, ...metrics.flatMap((metric) => series.get(metric) ?? [])]);
  return [
    ...unknown,
    ...labels.filter((label) => !known.has(label)).map((label) => `${label} is no label: ${expression}`),
  ];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const { groups } = parse(read('alerts.yml')) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
const dashboard = JSON.parse(read('grafana/zkraft.json')) as { uid: string; title: string; panels: Panel[] };

const jobs = (parse(read('prometheus.yml')) as { rule_files: string[]; scrape_configs: Job[] }).scrape_configs;
interface Job {
  readonly job_name: string;
  readonly static_configs: readonly { readonly targets: readonly string[] }[];
}

describe('an expression', () => {
  it('is found out when it names a metric or a label that there is not, or is none', () => {
    assert.deepEqual(problemsOf('sum by (le) (rate(raft_append_fsync_seconds_bucket{instance="a"}[5m]))'), []);
    assert.match(problemsOf('sum(raft_leaders)')[0] ?? '', /raft_leaders is no metric/);
    assert.match(problemsOf('sum by (le) (rate(raft_append_fsync_seconds[5m]))')[0] ?? '', /is no metric/);
    assert.match(problemsOf('sum by (outcomes) (coordinator_tasks_total)')[0] ?? '', /outcomes is no label/);
    assert.match(problemsOf('worker_tasks_total{result="failed"}')[0] ?? '', /result is no label/);
    assert.throws(() => problemsOf('sum(raft_leader'), /not PromQL/);
  });
});

describe('the alerts', () => {
  it('ask for what there is', () => {
    assert.ok(rules.length > 15);
    assert.deepEqual(
      rules.flatMap(({ expr }) => problemsOf(expr)),
      [],
    );
  });

  it('each have a name of their own, say how bad it is, and what to look at', () => {
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    for (const rule of rules) {
      assert.match(rule.alert, /^Zkraft[A-Z]\w+$/);
      assert.match(rule.labels.severity, /^(page|ticket)$/, rule.alert);
      assert.ok(rule.annotations.summary.length > 10 && rule.annotations.description.length > 20, rule.alert);
      assert.match(rule.for ?? '1m', /^\d+(s|m|h)$/, rule.alert);
    }
  });

  it('name labels, in what they say, that their expression leaves', () => {
    for (const { alert, expr, annotations } of rules) {
      const { selected, labels } = readExpression(expr);
      const own = new Set([...labels, ...TARGET_LABELS, ...selected.flatMap(({ metric }) => series.get(metric) ?? [])]);
      const grouped = /\b(sum|max|min|count)\b/.test(expr);
      for (const [, label = ''] of JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)) {
        assert.ok(grouped ? labels.includes(label) : own.has(label), `${alert}: ${label}`);
      }
    }
  });

  it('compare with values of labels that the code gives them', () => {
    const sources = ['src/coordinator/leader.ts', 'src/gateway/gateway.ts', 'src/gateway/task-routes.ts'].map((path) =>
      readFileSync(join(ROOT, path), 'utf8'),
    );
    const values = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/(\w+)="([^"]+)"/g)].map(([, label, value]) => ({ label, value })),
    );
    for (const { label, value } of values.filter((one) => one.label !== 'job')) {
      const isMade = sources.some((text) => text.includes(`${label}: '${value}'`));
      const isStatus =
        label === 'status' && /^[1-5]xx$/.test(value ?? '') && sources.some((text) => text.includes('}xx`'));
      assert.ok(isMade || isStatus, `${label}="${value}"`);
    }
    for (const { value } of values.filter((one) => one.label === 'job'))
      assert.ok(jobs.some((job) => job.job_name === value));
  });
});

describe('the dashboard', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');

  it('asks for what there is, of the source that is set up', () => {
    const expressions = panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr);
    assert.ok(expressions.length > 30);
    assert.deepEqual(expressions.flatMap(problemsOf), []);
    const { datasources } = parse(read('grafana/datasources.yml')) as { datasources: { uid: string; url: string }[] };
    assert.deepEqual([...new Set(panels.map(({ datasource }) => datasource?.uid))], [datasources[0]?.uid]);
  });

  it('labels its lines by labels that the expression leaves', () => {
    for (const { title, targets } of panels) {
      for (const { expr, legendFormat } of targets ?? []) {
        const { selected, labels } = readExpression(expr);
        const own = [...TARGET_LABELS, ...selected.flatMap(({ metric }) => series.get(metric) ?? [])];
        const left = /\b(sum|max|count)\b/.test(expr) ? labels : own;
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          assert.ok(left.includes(label), `${title}: ${label}`);
      }
    }
  });

  it('has panels that do not overlap, each of its own number', () => {
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    const cells = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!cells.has(`${x} ${y}`), title);
          cells.add(`${x} ${y}`);
        }
      }
    }
  });
});

describe('Prometheus', () => {
  it('scrapes every process of the compose file, where it listens', () => {
    const compose = readCompose();
    assert.deepEqual(
      jobs.map(({ job_name: name }) => name),
      SERVICES.map((name) => `zkraft-${name}`),
    );
    for (const { job_name: name, static_configs: configs } of jobs) {
      const target = name.slice('zkraft-'.length);
      const port = new URL(imageOf(target).healthcheck[2] ?? '').port;
      const running = Object.entries(compose.services).filter(
        ([, { build, command }]) => build?.target === target && !command,
      );
      assert.deepEqual(
        configs.flatMap(({ targets }) => targets),
        running.map(([service]) => `${service}:${port}`),
      );
      const networks = readCompose(MONITORING).services.prometheus?.networks ?? [];
      for (const [service, { networks: own }] of running) {
        assert.ok(
          own?.some((network) => networks.includes(network)),
          `${service} is out of reach`,
        );
      }
    }
  });

  it('names the same jobs for pods as for services', () => {
    const text = read('prometheus-kubernetes.yml');
    assert.match(text, /replacement: zkraft-\$1/);
    assert.match(text, /pod_label_app_kubernetes_io_component\]\n\s+target_label: job/);
  });
});

describe('what is mounted into Prometheus and Grafana', () => {
  it('is where their settings say', () => {
    const { prometheus, grafana } = readCompose(MONITORING).services;
    const mounts = [...(prometheus?.volumes ?? []), ...(grafana?.volumes ?? [])].map((one) => one.split(':'));
    const placeOf = (file: string): string | undefined => mounts.find(([from]) => from === `./monitoring/${file}`)?.[1];
    assert.ok(prometheus?.command?.includes(`--config.file=${placeOf('prometheus.yml')}`));
    assert.equal(placeOf('alerts.yml'), '/etc/prometheus/alerts.yml');
    const { providers } = parse(read('grafana/dashboards.yml')) as { providers: { options: { path: string } }[] };
    assert.equal(placeOf('grafana/zkraft.json'), `${providers[0]?.options.path}/zkraft.json`);
    assert.ok(existsSync(join(ROOT, FOLDER, 'grafana/datasources.yml')));
  });
});
