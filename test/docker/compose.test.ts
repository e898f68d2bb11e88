/** The compose cluster, against the specification of Compose, the table of settings and what Docker would do with it. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { DCLinter } from 'dclint';
import { loadConfig, SETTINGS } from '../../src/config/index.ts';
import { ROOT } from '../support/cli.ts';
import {
  COMPOSE,
  composeText,
  MONITORING,
  ourServices,
  portsOf,
  readCompose,
  type Service,
  secretsOf,
} from './compose.ts';
import { imageOf, readStages } from './dockerfile.ts';
import { environmentProblems, filesNamed } from './settings.ts';

const compose = readCompose();
const monitoring = readCompose(MONITORING);
const services = { ...compose.services, ...monitoring.services };
const all = Object.entries(services);
const ours = ourServices(compose);
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

/** Three parts of a process, and 20 s for each (src/launch/running.ts). */
const STOP_S = 60;
const COORDINATORS = ['coordinator-1', 'coordinator-2', 'coordinator-3'];

interface LintedFile {
  readonly messages: readonly { readonly line: number; readonly message: string }[];
}

/** What the linter for compose files says; the specification's schema is its first rule. */
function lint(text: string): string[] {
  const rules = {
    'no-duplicate-container-names': 2,
    'no-duplicate-exported-ports': 2,
    'no-unbound-port-interfaces': 2,
    'no-version-field': 2,
    'require-project-name-field': 2,
    'require-quotes-in-ports': 2,
    'service-image-require-explicit-tag': 2,
    // Images are both built and named here; the rest is taste, and ours is another.
    'no-build-and-image': 0,
    'no-quotes-in-volumes': 0,
    'service-container-name-regex': 0,
    'service-dependencies-alphabetical-order': 0,
    'service-keys-order': 0,
    'service-ports-alphabetical-order': 0,
    'services-alphabetical-order': 0,
    'top-level-properties-order': 0,
  } as const;
  const dir = mkdtempSync(join(tmpdir(), 'zkraft-compose-'));
  try {
    const file = join(dir, 'compose.yaml');
    writeFileSync(file, text);
    const linter = new DCLinter({ rules, quiet: true, debug: false, exclude: [] });
    const results: readonly LintedFile[] = linter.lintFiles([file], false);
    assert.equal(results.length, 1);
    return results.flatMap(({ messages }) => messages.map((one) => `${one.line}: ${one.message}`));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The settings of a service, with a word for each secret. */
function configOf(service: Service) {
  const env = { ...imageOf(service.build?.target ?? '').env, ...service.environment };
  return loadConfig({
    env: Object.fromEntries(
      Object.entries(env).map(([name, value]) => {
        const isSecret = /_(PASSWORD|TOKEN)_FILE$/.test(name);
        return isSecret ? [name.slice(0, -'_FILE'.length), 'a-secret-of-some-length'] : [name, value];
      }),
    ),
  });
}

describe('the compose files', () => {
  it('are of the specification, and lint clean', () => {
    assert.deepEqual(lint(composeText(COMPOSE)), []);
    assert.deepEqual(lint(composeText(MONITORING)), []);
  });

  it('would not be, with a word that the specification does not know', () => {
    const said = lint(composeText(COMPOSE).replace('stop_grace_period:', 'stop_grace_time:'));
    assert.match(said.join('\n'), /must NOT have additional properties/);
  });

  it('name images by an exact version, ours by that of the package', () => {
    for (const [name, { image }] of all) {
      const [repository = '', tag = ''] = image.split(':');
      assert.match(tag, /^v?\d+\.\d+/, `${name}: ${image}`);
      if (repository.startsWith('zkraft-')) assert.equal(tag, manifest.version, name);
    }
  });

  it('build ours from the target of the same name', () => {
    const targets = readStages().map(({ name }) => name);
    for (const [name, { image, build }] of ours) {
      assert.ok(build !== undefined && targets.includes(build.target), name);
      assert.equal(image.split(':')[0], `zkraft-${build.target}`);
      assert.ok(existsSync(join(ROOT, dirname(COMPOSE), build.context, build.dockerfile)));
    }
  });

  it('use each network, volume and secret that they declare, and declare each that they use', () => {
    const declared = {
      networks: Object.keys(compose.networks),
      volumes: [...Object.keys(compose.volumes), ...Object.keys(monitoring.volumes)],
      secrets: [...Object.keys(compose.secrets), ...Object.keys(monitoring.secrets)],
    };
    const used = {
      networks: all.flatMap(([, { networks }]) => networks ?? []),
      volumes: all.flatMap(([, { volumes }]) => volumes ?? []).map((one) => one.split(':')[0] ?? ''),
      secrets: all
        .flatMap(([, { secrets }]) => secrets ?? [])
        .map((one) => (typeof one === 'string' ? one : one.source)),
    };
    const unique = (names: readonly string[]): string[] => [...new Set(names)].sort();
    assert.deepEqual(unique(used.networks), unique(declared.networks));
    assert.deepEqual(unique(used.secrets), unique(declared.secrets));
    assert.deepEqual(unique(used.volumes.filter((name) => !name.startsWith('./'))), unique(declared.volumes));
    for (const path of used.volumes.filter((name) => name.startsWith('./'))) {
      assert.ok(existsSync(join(ROOT, 'docker', path)), path);
    }
  });
});

describe('every service', () => {
  it('has limits, starts again, keeps its log small, and may do nothing that it need not', () => {
    for (const [name, service] of all) {
      assert.deepEqual(Object.keys(service.deploy?.resources?.limits ?? {}), ['cpus', 'memory', 'pids'], name);
      assert.match(service.restart ?? '', /^(unless-stopped|on-failure:\d+)$/, name);
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
      assert.ok(JSON.stringify(service).includes('"max-size"'), name);
    }
  });

  it('waits for what it needs, by a health check that there is', () => {
    for (const [name, { depends_on: needs }] of all) {
      for (const [other, { condition }] of Object.entries(needs ?? {})) {
        const needed = services[other];
        assert.ok(needed, `${name} waits for ${other}`);
        if (condition === 'service_completed_successfully') assert.match(needed.restart ?? '', /^on-failure/);
        else {
          assert.equal(condition, 'service_healthy');
          const test = needed.build ? imageOf(needed.build.target).healthcheck : needed.healthcheck?.test;
          assert.ok(needed.healthcheck?.disable !== true && (test ?? []).length > 0, other);
        }
      }
    }
    assert.deepEqual(Object.keys(services['coordinator-1']?.depends_on ?? {}), ['migrate']);
    assert.deepEqual(Object.keys(services.gateway?.depends_on ?? {}), ['setup']);
  });
});

describe('every service of ours', () => {
  it('is there', () => {
    assert.deepEqual(
      ours.map(([name]) => name),
      ['migrate', 'setup', ...COORDINATORS, 'gateway', 'worker-1', 'worker-2'],
    );
  });

  it('sets only what is a setting, to what it may be, and no secret but by its file', () => {
    for (const [name, service] of ours) {
      assert.deepEqual(environmentProblems(service.environment ?? {}), [], name);
      configOf(service);
    }
  });

  it('is given each file that its settings name, and no other', () => {
    for (const [name, service] of ours) {
      const given = [...secretsOf(compose, service).keys()].sort();
      assert.deepEqual(filesNamed(service.environment ?? {}).sort(), given, name);
    }
  });

  it('gets the time to stop that it may take', () => {
    for (const [name, { stop_grace_period: grace }] of ours) {
      assert.ok(Number(/^(\d+)s$/.exec(grace ?? '')?.[1]) > STOP_S, name);
    }
  });

  it('keeps what must last in a volume of its own, where its settings say', () => {
    const kept = new Set<string>();
    for (const [name, service] of ours) {
      const config = configOf(service);
      const [volume, path] = service.volumes?.[0]?.split(':') ?? [];
      const wanted = name.startsWith('coordinator')
        ? config.get('coordinator.raft.raft_dir')
        : /^(worker|setup)/.test(name)
          ? config.get('data.dir')
          : undefined;
      assert.equal(path, wanted, name);
      if (volume === undefined) continue;
      assert.ok(!kept.has(volume), `${volume} is used twice`);
      kept.add(volume);
    }
  });
});

describe('the ports', () => {
  it('that are published are the gateway’s, and gRPC and health of each coordinator; on loopback', () => {
    const published = Object.fromEntries(
      Object.entries(compose.services).map(([name, service]) => [name, portsOf(service)] as const),
    );
    const { grpc, http } = {
      grpc: SETTINGS['coordinator.grpc_port'].default,
      http: SETTINGS['coordinator.http_port'].default,
    };
    for (const [i, name] of COORDINATORS.entries()) {
      assert.deepEqual(published[name], [
        { host: '127.0.0.1', published: http + i, target: http },
        { host: '127.0.0.1', published: grpc + i, target: grpc },
      ]);
    }
    assert.deepEqual(published.gateway, [
      { host: '127.0.0.1', published: 8080, target: SETTINGS['server.port'].default },
    ]);
    const others = Object.keys(published).filter((name) => !COORDINATORS.includes(name) && name !== 'gateway');
    for (const name of others) assert.deepEqual(published[name], [], name);
  });

  it('of PostgreSQL, Raft and workers are on networks with no way in or out', () => {
    const internal = (name: string): boolean => compose.networks[name]?.internal === true;
    for (const name of ['postgres', 'worker-1', 'worker-2']) assert.ok(services[name]?.networks?.every(internal), name);
    const onRaft = Object.entries(compose.services).filter(([, { networks }]) => networks?.includes('raft'));
    assert.deepEqual(
      onRaft.map(([name]) => name),
      COORDINATORS,
    );
    assert.ok(internal('raft'));
    for (const name of ['worker-1', 'worker-2']) {
      const shared = services[name]?.networks?.filter((network) => services.postgres?.networks?.includes(network));
      assert.deepEqual(shared, [], `${name} reaches the database`);
    }
  });
});

describe('the coordinators', () => {
  it('have one list of peers with each of them in it, by a name that its network knows', () => {
    for (const name of COORDINATORS) {
      const config = configOf(services[name] as Service);
      assert.equal(config.get('coordinator.id'), name);
      assert.equal(config.get('coordinator.advertise_address'), `${name}:9090`);
      assert.deepEqual(
        config.get('coordinator.raft.peers'),
        COORDINATORS.map((id) => ({ id, address: `${id}:${config.get('coordinator.raft.raft_port')}` })),
      );
    }
  });

  it('are all known to each worker, at the port that they listen on', () => {
    for (const name of ['worker-1', 'worker-2']) {
      const config = configOf(services[name] as Service);
      assert.equal(config.get('worker.id'), name);
      assert.deepEqual(
        config.get('worker.coordinator_address'),
        COORDINATORS.map((id) => `${id}:9090`),
      );
    }
  });
});
