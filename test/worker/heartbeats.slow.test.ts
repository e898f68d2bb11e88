/** A worker under full proving load sends its heartbeats on time: the loop that sends them is hardly ever late. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { packElements, toBytesBE } from '../../src/common/index.ts';
import { createProver, type ProveMode } from '../../src/prover/index.ts';
import { FakeCoordinator } from '../support/fake-coordinator.ts';
import { latenessText } from '../support/loop-delay.ts';
import { type MerkleKeys, makeMerkleKeys } from '../support/merkle-circuits.ts';
import type { Measured } from '../support/proving-worker-child.ts';
import { assignmentFor } from '../support/worker-fixtures.ts';

const DEPTH = 20;
const THREADS = 2;
/** Proofs at least two threads deep at any time. */
const HELD = 6;
const WARM_UP = 10;
const PROOFS = 50;
const P99_MAX_MS = 20;
const INTERVAL_MS = 250;
const LEAVES = Array.from({ length: 100 }, (_, i) => BigInt(i + 1));

describe('the heartbeats of a worker that proves all the time', () => {
  let keys: MerkleKeys;
  let root: bigint;
  let child: ChildProcess | undefined;
  before(async () => {
    keys = await makeMerkleKeys(DEPTH);
    await using prover = await createProver({ threads: 1 });
    root = await prover.merkleRoot(LEAVES, DEPTH);
  });
  after(async () => {
    child?.kill('SIGKILL');
    await keys.remove();
  });

  for (const mode of ['throughput', 'latency'] satisfies ProveMode[]) {
    it(`are on time in ${mode} mode`, async (t) => {
      const leader = await FakeCoordinator.start();
      leader.heartbeatIntervalMs = INTERVAL_MS;
      const file = fileURLToPath(new URL('../support/proving-worker-child.ts', import.meta.url));
      child = fork(file, [leader.address, keys.dir, mode, String(THREADS)], { execArgv: ['--import', 'tsx'] });
      const ended = once(child, 'exit');
      await leader.until(() => leader.streams === 1, 'it was registered', 60_000);

      let assigned = 0;
      const more = (upTo: number): void => {
        const { circuitId, digest } = keys.circuits.get(DEPTH) ?? { circuitId: '', digest: '' };
        while (assigned < upTo && assigned - leader.completions.length < HELD) {
          const one = assignmentFor(
            'w1',
            { circuitId, depth: DEPTH, digest, blobs: new Map(), zkeyDigest: '' },
            LEAVES,
          );
          const value = {
            depth: DEPTH,
            leafIndex: assigned % LEAVES.length,
            leaves: packElements(LEAVES),
            root: toBytesBE(root),
            externalHash: toBytesBE(BigInt(assigned)),
          };
          leader.assign({ ...one, task: { $case: 'merkle', value } });
          assigned += 1;
        }
      };
      const proved = (count: number): Promise<void> =>
        leader.until(
          () => {
            assert.deepEqual(leader.failures, []);
            more(count);
            return leader.completions.length >= count;
          },
          `${count} were proved`,
          120_000,
        );
      await proved(WARM_UP);
      const [beatsBefore, beganAtMs] = [leader.heartbeats.length, performance.now()];
      child.send('begin');
      await proved(WARM_UP + PROOFS);
      const beats = (leader.heartbeats.length - beatsBefore) / ((performance.now() - beganAtMs) / INTERVAL_MS);
      const measured = once(child, 'message') as Promise<[Measured, unknown]>;
      child.send('end');
      const [{ own, all, samples, cores }] = await measured;
      await ended;
      leader.stop();

      t.diagnostic(`${mode}, ${cores.toFixed(2)} cores: the loop is late by ${latenessText(all)}, ${samples} samples`);
      t.diagnostic(
        `without waiting for a processor by ${latenessText(own)}; ${(100 * beats).toFixed()} % of heartbeats`,
      );
      assert.ok(samples > 100, `${samples} samples`);
      assert.ok(own.p99Ms <= P99_MAX_MS, `1 % of the time the loop is late by ${own.p99Ms} ms of its own`);
      assert.ok(beats > 0.7, `${(100 * beats).toFixed()} % of the heartbeats came`);
    });
  }
});
