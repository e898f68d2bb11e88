import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { Registry } from 'prom-client';
import { silentLogger } from '../../../src/common/logging/index.ts';
import { createRaftMetrics, grpcTransport, RAFT_METRICS, type RaftMetrics } from '../../../src/raft/index.ts';
import { freePort } from '../../support/raft-processes.ts';
import { eventually, NodeBed, retried, text, words } from './node-bed.ts';

/** What surface and dashboards count on. */
const NAMES = ['raft_state', 'raft_term', 'raft_commit_index', 'raft_applied_index', 'raft_num_peers', 'raft_leader'];

/** Lines of Prometheus text as `name{labels}` and value. */
async function scrape(url: string): Promise<ReadonlyMap<string, number>> {
  const page = await (await fetch(url)).text();
  const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

async function serve(test: TestContext, registry: Registry): Promise<string> {
  const server = createServer(async (_request, response) => {
    response.end(await registry.metrics());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  test.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

describe('the metrics of a node', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  async function start(test: TestContext, name: string, bootstrap: boolean) {
    const registry = new Registry();
    const metrics: RaftMetrics = createRaftMetrics(registry);
    const raftAddress = `127.0.0.1:${await freePort()}`;
    const started = await bed.start(name, {
      raftAddress,
      bootstrap,
      heartbeatTimeoutMs: 2_000,
      electionTimeoutMs: 2_000,
      snapshotThreshold: 20,
      trailingEntries: 5,
      observer: metrics.node,
      connect: grpcTransport({
        listen: raftAddress,
        security: { mode: 'insecure' },
        observer: metrics.transport,
        logger: silentLogger,
      }),
    });
    metrics.watch(started.node);
    return { ...started, raftAddress, url: await serve(test, registry) };
  }

  it('are scraped from a running cluster of three, over the real transport', async (test) => {
    const a = await start(test, 'a', true);
    await eventually(() => a.node.status().state === 'Leader');
    for (let i = 0; i < 60; i += 1) await a.node.propose(text(`${i}`));
    const others = [await start(test, 'b', false), await start(test, 'c', false)];
    for (const { name, raftAddress } of others) {
      await retried(() => a.node.addPeer(raftAddress));
      await retried(() => a.node.promote(name));
    }
    await a.node.openSession();
    await eventually(() => others.every((one) => words(one).includes('59')));
    await eventually(async () => (await scrape(a.url)).get('raft_peer_lag_entries{peer="b"}') === 0);

    const leader = await scrape(a.url);
    const at = (name: string): number => leader.get(name) ?? Number.NaN;
    for (const name of NAMES) assert.ok(leader.has(name), name);
    const status = a.node.status();
    assert.deepEqual([at('raft_state'), at('raft_leader'), at('raft_num_peers')], [2, 1, 3]);
    assert.equal(at('raft_term'), status.term);
    assert.ok(at('raft_applied_index') >= 61 && at('raft_applied_index') <= status.appliedIndex);
    assert.ok(at('raft_commit_index') >= 61);
    assert.equal(at('raft_commit_seconds_count'), 61, 'sixty commands, and a session');
    assert.ok(at('raft_apply_entries_total') >= 61);
    for (const name of [
      'raft_append_fsync_seconds',
      'raft_append_entries',
      'raft_apply_seconds',
      'raft_snapshot_seconds',
    ])
      assert.ok(at(`${name}_count`) >= 1, name);
    assert.ok(at('raft_snapshot_bytes') > 0);
    assert.ok(at('raft_event_loop_lag_seconds_count') >= 1);
    assert.equal(at('raft_sessions'), 1);
    assert.equal(at('raft_leader_changes_total'), 1);
    for (const peer of ['b', 'c']) {
      for (const what of ['sent_messages', 'sent_bytes', 'received_messages', 'received_bytes', 'connects'])
        assert.ok(at(`raft_transport_${what}_total{peer="${peer}"}`) >= 1, `${what} ${peer}`);
      // Neither could catch up by the log alone.
      assert.ok(at(`raft_transport_snapshot_sent_bytes_total{peer="${peer}"}`) > 0);
    }

    const follower = await scrape(others[0]?.url ?? '');
    assert.deepEqual([follower.get('raft_state'), follower.get('raft_leader')], [0, 0]);
    assert.ok(![...follower.keys()].some((key) => key.startsWith('raft_peer_lag_entries')));
    assert.ok((follower.get('raft_transport_snapshot_received_bytes_total{peer="a"}') ?? 0) > 0);

    // Who leads no more knows of no lag.
    await a.node.transferLeadership('b');
    const former = await scrape(a.url);
    assert.equal(former.get('raft_leader'), 0);
    assert.ok(![...former.keys()].some((key) => key.startsWith('raft_peer_lag_entries')));
    // A lost peer shows.
    await bed.stop('c');
    await eventually(async () => {
      const now = await scrape(others[0]?.url ?? '');
      return (now.get('raft_transport_disconnects_total{peer="c"}') ?? 0) >= 1;
    });
  });

  it('have labels of closed sets: no word of a stranger, and so many peers', async () => {
    const registry = new Registry();
    const { transport } = createRaftMetrics(registry);
    transport.dropped?.('123456', 2, 'unknown');
    for (let i = 0; i < 100; i += 1) transport.connected?.(`p${i}`);
    transport.refused?.('evil"name', 'not let in');
    transport.dropped?.('p1', 3, 'full');
    const page = await registry.metrics();
    assert.equal(page.match(/raft_transport_connects_total\{/g)?.length, 65);
    assert.match(page, /raft_transport_connects_total\{peer="other"\} 36\n/);
    assert.match(page, /raft_transport_refused_total 1\n/);
    assert.match(page, /raft_transport_dropped_messages_total\{peer="other",reason="unknown"\} 2\n/);
    assert.match(page, /raft_transport_dropped_messages_total\{peer="p1",reason="full"\} 3\n/);
    assert.ok(!page.includes('evil'));
  });

  it('are all in one table, under the prefix raft_, counters with _total', () => {
    for (const [name, { type }] of Object.entries(RAFT_METRICS)) {
      assert.match(name, /^raft_[a-z_]+$/);
      assert.equal(name.endsWith('_total'), type === 'counter', name);
    }
  });
});
