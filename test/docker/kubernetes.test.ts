/** The manifests, against Kubernetes' schemas, the table of settings, the images and one another. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { COORDINATOR_METRICS } from '../../src/coordinator/metrics.ts';
import { ROOT } from '../support/cli.ts';
import { imageOf, readStages } from './dockerfile.ts';
import { MANIFESTS, type Manifest, readManifests, schemaProblems } from './kubernetes.ts';
import { environmentOf, podsOf } from './pods.ts';
import { environmentProblems } from './settings.ts';

const manifests = readManifests();
const pods = podsOf(manifests);
const services = ['coordinator', 'gateway', 'worker'];
const running = pods.filter(({ owner }) => owner.kind !== 'Job');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

const one = (kind: string, name: string): Manifest => {
  const [found, ...more] = manifests.filter((each) => each.kind === kind && each.metadata.name === name);
  assert.ok(found !== undefined && more.length === 0, `${kind} ${name}`);
  return found;
};
/** A container without what Kubernetes itself sets, in seconds. */
const STOP_S = 60;

describe('the manifests', () => {
  it('are what Kubernetes takes, each field of them', async () => {
    for (const each of manifests) {
      assert.deepEqual(await schemaProblems(each), [], `${each.file}: ${each.kind} ${each.metadata.name}`);
    }
  });

  it('would not be, with a field that it does not know, or one of another type', async () => {
    const text = JSON.stringify(one('StatefulSet', 'coordinator'));
    const changed = (from: string, to: string): Manifest => JSON.parse(text.replace(from, to)) as Manifest;
    assert.deepEqual(
      (await schemaProblems(changed('"readinessProbe":', '"readynessProbe":')))[0]?.split('/').at(-1),
      'readynessProbe',
    );
    assert.match(
      (await schemaProblems(changed('"replicas":3', '"replicas":"3"')))[0] ?? '',
      /replicas must be integer/,
    );
    assert.match((await schemaProblems(changed('"serviceName":', '"service":')))[0] ?? '', /service/);
  });

  it('are all applied, but for what is optional', () => {
    const kustomization = parse(readFileSync(join(ROOT, MANIFESTS, 'kustomization.yaml'), 'utf8')) as {
      resources: string[];
      namespace: string;
      images: { name: string; newTag: string }[];
    };
    const files = new Set(manifests.map(({ file }) => file.slice(MANIFESTS.length + 1)));
    assert.deepEqual([...kustomization.resources, 'worker-autoscaler.yaml'].sort(), [...files].sort());
    assert.deepEqual(
      kustomization.images.map(({ name }) => name).sort(),
      [...new Set(pods.map(({ container }) => container.image))].sort(),
    );
    for (const { newTag } of kustomization.images) assert.equal(newTag, manifest.version);
    for (const each of manifests.filter(({ kind }) => kind !== 'Namespace')) {
      assert.equal(each.metadata.namespace, kustomization.namespace, `${each.kind} ${each.metadata.name}`);
    }
  });

  it('hold no secret, and name those that they need', () => {
    assert.ok(manifests.every(({ kind }) => kind !== 'Secret'));
    const named = new Set(pods.flatMap(({ spec }) => spec.volumes.flatMap(({ secret }) => secret?.secretName ?? [])));
    assert.deepEqual([...named].sort(), ['database', 'grpc-certs', 'raft-certs', 'tokens']);
    const page = readFileSync(join(ROOT, 'docker/README.md'), 'utf8');
    for (const name of named)
      assert.match(page, new RegExp(`create secret generic ${name} `), `README says how ${name} is made`);
  });
});

describe('every pod', () => {
  it('runs an image of ours, by the command that it is for', () => {
    const targets = readStages().map(({ name }) => `zkraft-${name}`);
    for (const { container, owner } of pods) {
      assert.ok(targets.includes(container.image), container.image);
      if (services.includes(owner.metadata.name)) {
        assert.equal(container.image, `zkraft-${owner.metadata.name}`);
        assert.deepEqual(container.args, imageOf(owner.metadata.name).cmd);
      }
    }
    const jobs = pods.filter(({ owner }) => owner.kind === 'Job').map(({ container }) => container.args);
    assert.deepEqual(jobs, [
      ['migrate', 'up'],
      ['setup', '--depth', '8,16,20', '--publish'],
    ]);
  });

  it('is nobody in particular, as the image is, and may do nothing that it need not', () => {
    for (const { owner, spec, container } of pods) {
      const [user, group] = imageOf('worker').user.split(':').map(Number);
      const { runAsNonRoot, runAsUser, runAsGroup, fsGroup, seccompProfile } = spec.securityContext;
      assert.deepEqual(
        { runAsNonRoot, runAsUser, runAsGroup, fsGroup, seccompProfile },
        {
          runAsNonRoot: true,
          runAsUser: user,
          runAsGroup: group,
          fsGroup: group,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        owner.metadata.name,
      );
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      assert.equal(spec.automountServiceAccountToken, false);
      assert.ok(container.resources.limits.memory !== undefined, owner.metadata.name);
    }
  });

  it('is set by settings that there are, and by no secret in the open', () => {
    for (const { owner, container } of pods) {
      const env = environmentOf(container, manifests, `${owner.metadata.name}-1`);
      assert.deepEqual(environmentProblems(env), [], owner.metadata.name);
    }
  });

  it('mounts what it has, and has what it mounts', () => {
    for (const { owner, spec, container } of pods) {
      const claimed = owner.spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name) ?? [];
      const volumes = [...spec.volumes.map(({ name }) => name), ...claimed].sort();
      assert.deepEqual(
        [...new Set(container.volumeMounts.map(({ name }) => name))].sort(),
        volumes,
        owner.metadata.name,
      );
    }
  });
});

describe('every pod that runs on', () => {
  it('is restarted by whether it lives, sent traffic by whether it is ready, on a port that it has', () => {
    assert.equal(running.length, 3);
    for (const { owner, container } of running) {
      const port = container.ports?.find(({ name }) => name === 'http')?.containerPort;
      const [, , url] = imageOf(owner.metadata.name).healthcheck;
      assert.equal(String(port), new URL(url ?? '').port);
      assert.deepEqual(container.startupProbe?.httpGet, { path: '/livez', port: 'http' });
      assert.deepEqual(container.livenessProbe?.httpGet, { path: '/livez', port: 'http' });
      assert.deepEqual(container.readinessProbe?.httpGet, { path: '/ready', port: 'http' });
    }
  });

  it('gets the time to stop that it may take', () => {
    for (const { owner, spec } of running) {
      assert.ok((spec.terminationGracePeriodSeconds ?? 0) > STOP_S, owner.metadata.name);
    }
  });

  it('is found by what selects it', () => {
    for (const { owner } of running) {
      const labels = owner.spec.template?.metadata.labels;
      assert.deepEqual(owner.spec.selector?.matchLabels, labels);
      const selecting = manifests.filter(
        ({ kind, spec }) =>
          (kind === 'Service' && JSON.stringify(spec.selector) === JSON.stringify(labels)) ||
          (kind === 'PodDisruptionBudget' && JSON.stringify(spec.selector?.matchLabels) === JSON.stringify(labels)),
      );
      const wanted = owner.metadata.name === 'worker' ? [] : ['PodDisruptionBudget', 'Service'];
      assert.deepEqual(selecting.map(({ kind }) => kind).sort(), wanted, owner.metadata.name);
    }
    for (const { kind, spec } of manifests) {
      if (kind === 'PodDisruptionBudget') assert.equal(spec.maxUnavailable, 1);
    }
  });
});

describe('the coordinators', () => {
  const set = one('StatefulSet', 'coordinator');
  const service = one('Service', 'coordinators');
  const replicas = set.spec.replicas ?? 0;
  const names = Array.from(
    { length: replicas },
    (_, i) => `${set.metadata.name}-${(set.spec.ordinals?.start ?? 0) + i}`,
  );
  const settings = one('ConfigMap', 'coordinator').data ?? {};

  it('are an odd number, each on a node of its own', () => {
    assert.ok([3, 5, 7].includes(replicas));
    const apart = set.spec.template?.spec.affinity?.podAntiAffinity;
    assert.match(JSON.stringify(apart?.requiredDuringSchedulingIgnoredDuringExecution), /kubernetes\.io\/hostname/);
  });

  it('find one another, by the names of their pods, before they are ready', () => {
    assert.equal(set.spec.serviceName, service.metadata.name);
    assert.equal(service.spec.clusterIP, 'None');
    assert.equal(service.spec.publishNotReadyAddresses, true);
    assert.deepEqual(
      settings.COORDINATOR_RAFT_PEERS?.split(','),
      names.map((name) => `${name}=${name}.${service.metadata.name}:7000`),
    );
    const [pod] = pods.filter(({ owner }) => owner === set);
    assert.ok(pod);
    for (const name of names) {
      const env = environmentOf(pod.container, manifests, name);
      assert.equal(env.COORDINATOR_ID, name);
      assert.equal(env.COORDINATOR_ADVERTISE_ADDRESS, `${name}.${service.metadata.name}:9090`);
    }
    assert.deepEqual(
      one('ConfigMap', 'worker').data?.WORKER_COORDINATOR_ADDRESS?.split(','),
      names.map((name) => `${name}.${service.metadata.name}:9090`),
    );
  });

  it('keep their log in a claim of their own', () => {
    assert.deepEqual(
      set.spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name),
      ['raft'],
    );
    const mount = set.spec.template?.spec.containers[0]?.volumeMounts.find(({ name }) => name === 'raft');
    assert.equal(mount?.mountPath, settings.COORDINATOR_RAFT_DIR);
  });

  it('are served at the ports that they listen on', () => {
    const ports = set.spec.template?.spec.containers[0]?.ports ?? [];
    assert.deepEqual(
      service.spec.ports?.map(({ targetPort, port }) => [targetPort, port]),
      ports.map(({ name, containerPort }) => [name, containerPort]),
    );
    assert.deepEqual(ports.map(({ containerPort }) => containerPort).sort(), [...imageOf('coordinator').ports].sort());
  });
});

describe('the network policies', () => {
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy');
  const component = (labels: Readonly<Record<string, string>> | undefined): string | undefined =>
    labels?.['app.kubernetes.io/component'];

  it('let nothing in that is not named', () => {
    const closed = policies.find(({ spec }) => Object.keys(spec.podSelector ?? {}).length === 0);
    assert.deepEqual(closed?.spec.policyTypes, ['Ingress']);
    assert.equal(closed?.spec.ingress, undefined);
  });

  it('leave the port of Raft to the coordinators', () => {
    const reaching = policies.flatMap(({ spec }) =>
      (spec.ingress ?? [])
        .filter(({ ports }) => ports === undefined || ports.some(({ port }) => port === 7000))
        .map(({ from }) => [
          component(spec.podSelector?.matchLabels),
          from?.map((peer) => component(peer.podSelector?.matchLabels)),
        ]),
    );
    assert.deepEqual(reaching, [['coordinator', ['coordinator']]]);
  });

  it('let workers in at the port for workers, clients at the gateway’s', () => {
    const rules = policies.flatMap(({ spec }) =>
      (spec.ingress ?? []).map(({ from, ports }) => ({
        to: component(spec.podSelector?.matchLabels),
        from: from?.map((peer) => component(peer.podSelector?.matchLabels)),
        ports: ports?.map(({ port }) => port),
      })),
    );
    assert.ok(
      rules.some(
        (rule) => rule.to === 'coordinator' && String(rule.from) === 'worker' && String(rule.ports) === '9090',
      ),
    );
    assert.ok(rules.some((rule) => rule.to === 'gateway' && rule.from === undefined && String(rule.ports) === '8080'));
  });
});

describe('the autoscaler', () => {
  it('scales the workers, by a metric that there is', () => {
    const { spec } = one('HorizontalPodAutoscaler', 'worker');
    assert.equal(one(spec.scaleTargetRef?.kind ?? '', spec.scaleTargetRef?.name ?? '').metadata.name, 'worker');
    for (const { external } of spec.metrics ?? []) assert.ok(external.metric.name in COORDINATOR_METRICS);
    assert.ok(existsSync(join(ROOT, MANIFESTS, 'worker-autoscaler.yaml')));
  });
});
