/** What a coordinator is told of its cluster, and what it refuses before anything is opened. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ZkraftError } from '../../src/common/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { coordinatorLog } from '../../src/launch/coordinator-log.ts';

const given = (env: Record<string, string>, raftPort?: number) =>
  coordinatorLog(
    loadConfig({ env: { COORDINATOR_ID: 'c1', ...env } }),
    { dir: '/nowhere', ...(raftPort === undefined ? {} : { raftPort }) },
    () => {},
  );

function refuses(
  env: Record<string, string>,
  field: string,
  says: RegExp,
  code = 'config_invalid',
  port?: number,
): void {
  assert.throws(
    () => given(env, port),
    (error: ZkraftError) => {
      assert.deepEqual([error.code, error.field], [code, field]);
      assert.match(error.message, says);
      return true;
    },
  );
}

const PEERS = 'c1=127.0.0.1:7000,c2=127.0.0.1:7001,c3=127.0.0.1:7002';

describe('the cluster in the settings', () => {
  it('may be this coordinator alone, or several of one machine', () => {
    given({});
    given({ COORDINATOR_RAFT_PEERS: PEERS });
    given({ COORDINATOR_RAFT_PEERS: PEERS, RAFT_NODE_ID: 'c2' });
  });

  it('is refused with the field and the remedy when the list cannot be', () => {
    const field = 'coordinator.raft.peers';
    refuses(
      { COORDINATOR_RAFT_PEERS: PEERS, RAFT_NODE_ID: 'c9' },
      field,
      /called "c9", and the peers are c1, c2, c3; add/,
    );
    refuses({ COORDINATOR_RAFT_PEERS: `${PEERS},c1=127.0.0.1:7009` }, field, /two peers have the id "c1"/);
    refuses(
      { COORDINATOR_RAFT_PEERS: 'c1=127.0.0.1:7000,c2=127.0.0.1:7000' },
      field,
      /have the address "127.0.0.1:7000"/,
    );
    for (const address of ['nonsense', '127.0.0.1:0', '127.0.0.1:70000', ':7000']) {
      refuses({ COORDINATOR_RAFT_PEERS: `c1=${address}` }, field, /"c1" has the address .*; give host:port/);
    }
  });

  it('wants mutual TLS beyond this machine, and files for it', () => {
    const far = { COORDINATOR_RAFT_PEERS: 'c1=10.0.0.1:7000,c2=10.0.0.2:7000' };
    const tls = 'coordinator.raft.tls_enabled';
    refuses(far, tls, /c1 at 10.0.0.1:7000 is on another machine.*set coordinator.raft.tls_enabled, with cert_file/);
    refuses(
      { COORDINATOR_RAFT_TLS_ENABLED: 'true' },
      'coordinator.raft.cert_file',
      /is empty, but tls_enabled is true/,
    );
    refuses(
      { COORDINATOR_RAFT_RAFT_HOST: '0.0.0.0' },
      'coordinator.raft.raft_host',
      /tls_enabled/,
      'bind_unauthenticated',
    );
  });

  it('has no port that is not opened', () => {
    refuses(
      { COORDINATOR_RAFT_PEERS: PEERS },
      'coordinator.raft.raft_port',
      /opens none, but peers/,
      'config_invalid',
      0,
    );
  });

  it('has timeouts that a timer can keep, and says what they may be', () => {
    for (const [field, env] of [
      ['coordinator.raft.heartbeat_timeout', 'COORDINATOR_RAFT_HEARTBEAT_TIMEOUT'],
      ['coordinator.raft.election_timeout', 'COORDINATOR_RAFT_ELECTION_TIMEOUT'],
    ] as const) {
      refuses({ [env]: '10ms' }, field, /it is 10ms; give 50ms to 60s, best 1s/);
      refuses({ [env]: '2m' }, field, /it is 120000ms; give 50ms to 60s/);
      given({ [env]: '50ms' });
      given({ [env]: '60s' });
    }
  });
});
