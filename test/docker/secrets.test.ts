/** What docker/make-secrets.mjs makes is what the clusters need: by name, by who may read it, and by what it is for. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../../src/config/index.ts';
import { coordinatorLog } from '../../src/launch/coordinator-log.ts';
import { readCertificates, readTlsIdentity } from '../../src/launch/tls.ts';
import { filesUnder } from '../tidy/source-tree.ts';
import { ourServices, readCompose, secretsOf } from './compose.ts';
import { imageOf } from './dockerfile.ts';
import { readManifests } from './kubernetes.ts';
import { environmentOf, podsOf, secretFilesOf } from './pods.ts';
import { makeSecrets, relocated } from './secrets.ts';
import { filesNamed } from './settings.ts';

const dir = mkdtempSync(join(tmpdir(), 'zkraft-secrets-'));
const folder = join(dir, 'secrets');
const SECRETS = ['admin-token', 'database-password', 'grafana-password', 'worker-token'];

before(() => makeSecrets(folder));
after(() => rmSync(dir, { recursive: true, force: true }));

const files = (at = folder): string[] =>
  readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(at.length + 1))
    .sort();
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** What a coordinator or a worker would refuse before it listens: files that are no certificates, or not each other's. */
function checkEndpoints(kind: string, env: Readonly<Record<string, string>>, host: string | undefined): void {
  const config = loadConfig({ env });
  if (kind === 'coordinator') {
    const id = config.get('coordinator.id');
    coordinatorLog(config, { dir: config.get('coordinator.raft.raft_dir') }, () => {});
    const grpc = readTlsIdentity(config, 'coordinator.tls_cert_file', 'coordinator.tls_key_file');
    const raft = new X509Certificate(readFileSync(config.get('coordinator.raft.cert_file')));
    const shown = new X509Certificate(grpc?.cert ?? '');
    assert.equal(raft.subject, `CN=${id}`);
    assert.ok(raft.verify(new X509Certificate(readFileSync(config.get('coordinator.raft.ca_file'))).publicKey));
    assert.ok(
      shown.verify(new X509Certificate(readCertificates(config, 'coordinator.tls_client_ca_file') ?? '').publicKey),
    );
    const advertised = config.get('coordinator.advertise_address').split(':')[0] ?? '';
    assert.equal(advertised, host);
    for (const name of [advertised, 'localhost']) assert.ok(shown.checkHost(name), `${id} is not ${name}`);
    // No certificate of the one authority opens the door of the other.
    assert.ok(
      !raft.verify(new X509Certificate(readCertificates(config, 'coordinator.tls_client_ca_file') ?? '').publicKey),
    );
    assert.ok(config.get('coordinator.worker_token').length >= 16);
  } else {
    const own = new X509Certificate(readTlsIdentity(config, 'worker.tls_cert_file', 'worker.tls_key_file')?.cert ?? '');
    assert.ok(own.verify(new X509Certificate(readCertificates(config, 'worker.tls_ca_file') ?? '').publicKey));
    const name = own.subject.replace('CN=', '');
    const id = config.get('worker.id');
    assert.ok(id === name || id.startsWith(`${name}-`), `${id} shows the certificate of ${name}`);
  }
}

describe('the secrets', () => {
  it('are those that the compose file names', () => {
    const { secrets } = readCompose();
    const made = files();
    for (const [name, { file }] of Object.entries(secrets))
      assert.ok(made.includes(file.replace('./secrets/', '')), name);
  });

  it('are long, of chance, and other ones each time', () => {
    const again = join(dir, 'again');
    makeSecrets(again);
    const values = [folder, again].flatMap((at) => SECRETS.map((name) => readFileSync(join(at, name), 'utf8')));
    for (const value of values) assert.match(value, /^[0-9a-f]{64}$/);
    assert.equal(new Set(values).size, values.length);
  });

  it('lie in a folder for its owner alone; a container may read what is mounted, which the authorities’ keys never are', () => {
    assert.equal(modeOf(folder), '700');
    const keys = files().filter((path) => path.endsWith('ca.key'));
    assert.deepEqual(keys, ['grpc/ca.key', 'raft/ca.key']);
    for (const path of files()) assert.equal(modeOf(join(folder, path)), keys.includes(path) ? '600' : '444', path);
    const named = Object.values(readCompose().secrets).map(({ file }) => file);
    assert.ok(named.every((file) => !file.endsWith('ca.key')));
  });

  it('are kept when they are made again', () => {
    const before = files().map((path) => [path, readFileSync(join(folder, path), 'utf8')]);
    assert.match(makeSecrets(folder), /^All is there/);
    assert.deepEqual(
      files().map((path) => [path, readFileSync(join(folder, path), 'utf8')]),
      before,
    );
  });

  it('are never in what git or an image has', () => {
    assert.ok(
      filesUnder('docker').every((path) => !/\.(key|crt|pem)$/.test(path) || path.startsWith('docker/secrets/')),
    );
  });
});

describe('with these secrets', () => {
  it('each coordinator and worker of the compose file has certificates that fit its name and its addresses', () => {
    const compose = readCompose();
    let count = 0;
    for (const [name, service] of ourServices(compose)) {
      if (!/^(coordinator|worker)-/.test(name)) continue;
      const places = new Map(
        [...secretsOf(compose, service)].map(([inside, file]) => [
          inside,
          join(folder, file.replace('./secrets/', '')),
        ]),
      );
      const env = { ...imageOf(service.build?.target ?? '').env, ...service.environment };
      checkEndpoints(service.build?.target ?? '', relocated(env, places), name);
      count += 1;
    }
    assert.equal(count, 5);
  });

  it('each coordinator and worker of the manifests does, too, from the Secrets that the README makes of them', () => {
    const manifests = readManifests();
    // As `kubectl create secret generic --from-file` of the README makes them.
    const sources: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      database: { password: 'database-password' },
      tokens: { 'worker-token': 'worker-token', 'admin-token': 'admin-token' },
      'raft-certs': contents('raft'),
      'grpc-certs': contents('grpc'),
    };
    let count = 0;
    for (const { owner, spec, container } of podsOf(manifests)) {
      const kind = owner.metadata.name;
      const names = kind === 'coordinator' ? [1, 2, 3].map((n) => `coordinator-${n}`) : [`${kind}-7c9d-x2x4z`];
      for (const name of names) {
        const env = environmentOf(container, manifests, name);
        const mounted = secretFilesOf(spec, container, env, (secret) => Object.keys(sources[secret] ?? {}));
        const places = new Map(
          [...mounted].map(([path, place]) => {
            const [secret = '', key = ''] = place.split('/');
            return [path, join(folder, sources[secret]?.[key] ?? 'missing')];
          }),
        );
        const wanted = filesNamed(env);
        assert.deepEqual(
          wanted.filter((path) => !places.has(path)),
          [],
          name,
        );
        // Nobody is handed the key of another, or of an authority.
        assert.deepEqual([...places.keys()].sort(), [...wanted].sort(), name);
        if (kind !== 'coordinator' && kind !== 'worker') continue;
        checkEndpoints(kind, relocated({ ...imageOf(kind).env, ...env }, places), `${name}.coordinators`);
        count += 1;
      }
    }
    assert.equal(count, 4);
  });
});

const contents = (authority: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(join(folder, authority))
      .filter((name) => name !== 'ca.key')
      .map((name) => [name, `${authority}/${name}`]),
  );
