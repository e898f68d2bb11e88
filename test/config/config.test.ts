import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isErrorCode, ZkraftError } from '../../src/common/index.ts';
import { envOf, loadConfig, SETTING_KEYS, SETTINGS, type Setting } from '../../src/config/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'zkraft-config-'));
let files = 0;
function yaml(text: string): string {
  files += 1;
  const path = join(folder, `${files}.yaml`);
  writeFileSync(path, text);
  return path;
}
const refuses = (sources: Parameters<typeof loadConfig>[0], code: string, pattern: RegExp) =>
  assert.throws(
    () => loadConfig(sources),
    (error) => error instanceof ZkraftError && error.code === code && pattern.test(error.message),
  );

describe('settings', () => {
  it('take a flag before the environment, the environment before the file, the file before the default', () => {
    const file = yaml('server:\n  port: 1111\n  host: 127.0.0.2\n');
    const env = { SERVER_PORT: '2222', SERVER_IDLE_TIMEOUT: '9s' };
    assert.equal(loadConfig().get('server.port'), 8080);
    assert.equal(loadConfig({ file }).get('server.port'), 1111);
    assert.equal(loadConfig({ file, env }).get('server.port'), 2222);
    const all = loadConfig({ file, env, flags: { 'server-port': 3333 } });
    assert.equal(all.get('server.port'), 3333);
    assert.equal(all.get('server.host'), '127.0.0.2');
    assert.equal(all.ms('server.idle_timeout'), 9000);
    assert.equal(all.sourceOf('server.port'), 'flag --server-port');
    assert.equal(all.sourceOf('server.idle_timeout'), 'environment SERVER_IDLE_TIMEOUT');
  });

  it('know both spellings of the environment, the longer one first', () => {
    for (const [name, key, value] of [
      ['COORDINATOR_RAFT_NODE_ID', 'coordinator.raft.node_id', 'n1'],
      ['RAFT_NODE_ID', 'coordinator.raft.node_id', 'n1'],
      ['COORDINATOR_ID', 'coordinator.id', 'c1'],
      ['DATABASE_HOST', 'database.host', 'db'],
      ['WORKER_ID', 'worker.id', 'w1'],
    ] as const) {
      assert.equal(loadConfig({ env: { [name]: value } }).get(key), value, name);
    }
    for (const [name, key, value] of [
      ['COORDINATOR_RAFT_PORT', 'coordinator.raft.raft_port', 7001],
      ['RAFT_PORT', 'coordinator.raft.raft_port', 7001],
      ['GRPC_PORT', 'coordinator.grpc_port', 9091],
      ['HTTP_PORT', 'coordinator.http_port', 8091],
    ] as const) {
      assert.equal(loadConfig({ env: { [name]: String(value) } }).get(key), value, name);
    }
    assert.equal(
      loadConfig({ env: { COORDINATOR_RAFT_DIR: '/data/raft' } }).get('coordinator.raft.raft_dir'),
      '/data/raft',
    );
    assert.equal(loadConfig({ env: { COORDINATOR_RAFT_BOOTSTRAP: 'false' } }).get('coordinator.raft.bootstrap'), false);
    assert.equal(loadConfig({ env: { RAFT_BOOTSTRAP: 'false' } }).get('coordinator.raft.bootstrap'), false);
    assert.deepEqual(loadConfig({ env: { COORDINATOR_ADDRESS: 'a:1,b:2' } }).get('worker.coordinator_address'), [
      'a:1',
      'b:2',
    ]);
    assert.equal(
      loadConfig({ env: { RAFT_NODE_ID: 'short', COORDINATOR_RAFT_NODE_ID: 'long' } }).get('coordinator.raft.node_id'),
      'long',
    );
  });

  it('read lists of objects from the file and from JSON in the environment', () => {
    const file = yaml('coordinator:\n  raft:\n    peers:\n      - id: c1\n        address: c1:7000\n');
    assert.deepEqual(loadConfig({ file }).get('coordinator.raft.peers'), [{ id: 'c1', address: 'c1:7000' }]);
    const env = { COORDINATOR_RAFT_PEERS: '[{"id":"c2","address":"c2:7000"}]' };
    assert.deepEqual(loadConfig({ env }).get('coordinator.raft.peers'), [{ id: 'c2', address: 'c2:7000' }]);
  });

  it('read peers as id=address too, and refuse what is neither', () => {
    const peers = (text: string) => loadConfig({ env: { COORDINATOR_RAFT_PEERS: text } }).get('coordinator.raft.peers');
    assert.deepEqual(peers('c1=10.0.0.1:7000, c2=[::1]:7000'), [
      { id: 'c1', address: '10.0.0.1:7000' },
      { id: 'c2', address: '[::1]:7000' },
    ]);
    refuses({ env: { COORDINATOR_RAFT_PEERS: 'c1' } }, 'config_invalid', /coordinator\.raft\.peers/);
  });

  it('are refused by name when they are unknown, of the wrong type or out of range', () => {
    refuses({ file: yaml('server:\n  prot: 1\n') }, 'config_invalid', /unknown setting server\.prot/);
    refuses({ file: yaml('grpc_port: 1\n') }, 'config_invalid', /did you mean coordinator\.grpc_port/);
    refuses({ file: yaml('server: 5\n') }, 'config_invalid', /server must hold settings/);
    refuses({ file: yaml('server:\n  port: "yes"\n') }, 'config_invalid', /server\.port.*file/);
    refuses({ file: yaml('server:\n  port: 1\n  port: 2\n') }, 'config_invalid', /unique/i);
    refuses({ env: { SERVER_PORT: '70000' } }, 'config_invalid', /server\.port.*SERVER_PORT.*65535/);
    refuses({ flags: { 'server-idle-timeout': '5 minutes' } }, 'config_invalid', /not a duration/);
    refuses({ env: { ZKP_BACKEND: 'cuda' } }, 'config_invalid', /must be one of auto, wasm, webgpu, snarkjs/);
    refuses({ file: join(folder, 'absent.yaml') }, 'file_not_found', /absent\.yaml/);
  });

  it('never print a secret, and read one from a file', () => {
    const path = join(folder, 'password');
    writeFileSync(path, 'hunter2\n');
    const config = loadConfig({ env: { DATABASE_PASSWORD_FILE: path, DATABASE_URL: 'postgres://u:hunter3@h/d' } });
    assert.equal(config.get('database.password'), 'hunter2');
    assert.doesNotMatch(config.toYaml(), /hunter/);
    assert.match(config.toYaml(), /password: "?\[set\]/);
    refuses({ env: { DATABASE_PASSWORD_FILE: '/absent' } }, 'config_invalid', /DATABASE_PASSWORD_FILE/);
    assert.throws(
      () => loadConfig({ flags: { 'worker-token': 'hunter4'.repeat(100) } }),
      (error) => error instanceof ZkraftError && !error.message.includes('hunter4'),
    );
  });

  it('have defaults that pass their own limits, a text, and environment names of their own', () => {
    const seen = new Map<string, string>();
    for (const key of SETTING_KEYS) {
      const row = SETTINGS[key] as Setting;
      assert.ok(row.text.length > 10, key);
      const file = yaml(`${nest(key, JSON.stringify(row.default))}`);
      assert.deepEqual(loadConfig({ file }).get(key), row.default, key);
      for (const name of envOf(key)) {
        assert.equal(seen.get(name), undefined, `${name} sets ${key} and ${seen.get(name)}`);
        seen.set(name, key);
      }
    }
    assert.ok(isErrorCode('config_invalid'));
  });
});

function nest(key: string, value: string): string {
  const parts = key.split('.');
  return parts.map((part, i) => `${'  '.repeat(i)}${part}:${i === parts.length - 1 ? ` ${value}` : ''}`).join('\n');
}
