import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CHAOS_DEPTH, runChaos } from './chaos.ts';
import { startTestNetwork, type TestNetwork } from './network.ts';

const OPTIONS = { tasks: 60, faults: 17, seed: 20_261_127 };

describe('a network whose parts are killed, paused and restarted', () => {
  let network: TestNetwork;
  before(async () => {
    network = await startTestNetwork(CHAOS_DEPTH);
  });
  after(async () => {
    await network?.close();
    // snarkjs keeps the threads of its curve for as long as the process lives.
    await (globalThis as { curve_bn128?: { terminate(): Promise<void> } }).curve_bn128?.terminate();
  });

  it('ends every task it accepted, once, with a proof that verifies', async (t) => {
    const report = await runChaos(network, { ...OPTIONS, say: (line) => t.diagnostic(line) });
    assert.deepEqual(
      [report.lost, report.uninvited, report.completedTwice, report.unverified, report.changedIds],
      [[], [], [], [], []],
    );
    assert.deepEqual(report.statuses, { completed: OPTIONS.tasks });
    assert.equal(report.completions, OPTIONS.tasks);
    assert.ok(report.faultsInFlight >= OPTIONS.faults / 2, `only ${report.faultsInFlight} faults met a proof`);
  });
});
