import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runRaftBench } from '../../bench/index.ts';
import { WITHOUT_OPENSSL } from '../support/certificates.ts';

describe('bench raft', { skip: WITHOUT_OPENSSL }, () => {
  it('measures loads, then kills and transfers at both timeouts, and comes to one state', async () => {
    const stages: string[] = [];
    const report = await runRaftBench({
      rounds: 2,
      loadMs: 200,
      warmUpMs: 100,
      onProgress: (_, stage) => stages.push(stage),
    });
    assert.ok(report.sequential.perSecond > 0 && report.proposers_256.perSecond > 0);
    assert.deepEqual(
      report.timeouts.map(({ election_timeout_ms }) => election_timeout_ms),
      [1_000, 250],
    );
    for (const { failover, transfer, election_timeout_ms } of report.timeouts) {
      assert.deepEqual([failover.rounds, transfer.rounds], [2, 2]);
      assert.ok(failover.p50_ms > election_timeout_ms / 10, `nobody stands for election sooner: ${failover.p50_ms} ms`);
      assert.ok(failover.max_ms >= failover.p50_ms && transfer.p50_ms >= 0);
    }
    assert.equal(stages.filter((stage) => stage === 'failovers at 250 ms').length, 2);
  });
});
