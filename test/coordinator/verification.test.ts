/** What the judge asks of a proof itself, and what it leaves to the verifier's threads. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toBytesBE, ZkraftError } from '../../src/common/index.ts';
import { createMetrics } from '../../src/coordinator/metrics.ts';
import { ProofJudge } from '../../src/coordinator/service/verification.ts';
import type { TaskSpec } from '../../src/coordinator/state/index.ts';
import { createProver, type Groth16Proof, type Prover, proofToBytes } from '../../src/prover/index.ts';
import { G1, G2, g1ToJson, g2ToJson } from '../../src/prover/reference/index.ts';
import { finite } from '../support/mutated-proofs.ts';
import { strayTwistPoint } from '../support/stray-twist-point.ts';

const base64 = (value: bigint): string => Buffer.from(toBytesBE(value)).toString('base64');
const TASK: TaskSpec = {
  id: 't1',
  requestId: 'r1',
  circuitId: 'merkle-3',
  circuitDigest: 'ab'.repeat(32),
  treeId: 'cd'.repeat(32),
  depth: 3,
  leafIndex: 0,
  root: base64(7n),
  externalHash: base64(0n),
};
const SIGNALS = [toBytesBE(7n), toBytesBE(0n)];

const handedIn = (proof: Uint8Array) => ({ workerId: 'w1', proof, signals: SIGNALS });

const g1 = g1ToJson(finite(G1.generator));
const g2 = g2ToJson(finite(G2.generator));
const KEY = {
  protocol: 'groth16' as const,
  curve: 'bn128' as const,
  nPublic: 2,
  vk_alpha_1: g1,
  vk_beta_2: g2,
  vk_gamma_2: g2,
  vk_delta_2: g2ToJson(finite(G2.multiply(G2.generator, 2n))),
  IC: [g1, g1, g1],
};
const proofWith = (b: Groth16Proof['pi_b']): Uint8Array =>
  proofToBytes({ pi_a: g1, pi_b: b, pi_c: g1, protocol: 'groth16', curve: 'bn128' });

function judgeWith(verifier: Pick<Prover, 'verifyBatch' | 'threads'>, metrics = createMetrics()): ProofJudge {
  const catalog = { verifying: async () => ({ verificationKey: KEY, publicSignals: ['root', 'externalHash'] }) };
  return new ProofJudge({ verifier, catalog, metrics });
}

describe('the judge', () => {
  test('spends no time of its own on curve arithmetic: points are read in the verifier’s threads', async () => {
    const asked: Groth16Proof[] = [];
    const verifyBatch: Prover['verifyBatch'] = async (_key, items) => {
      asked.push(...items.map(({ proof }) => proof));
      return items.map((_, index) => ({ index, confirmed: true }));
    };
    // Not on the curve at all, which only arithmetic can tell.
    const judge = judgeWith({ threads: 1, verifyBatch });
    const verdict = await judge.judge(TASK, handedIn(new Uint8Array(256).fill(1)));
    assert.deepEqual(verdict, { ok: false, why: 'the proof does not verify' });
    assert.equal(asked.length, 1);
  });

  test('throws what the verifier refuses of the public signals: they are the task’s, not the worker’s', async () => {
    const error = new ZkraftError('public_signals_malformed', 'public signals are 2, but the key has 1');
    const judge = judgeWith({ threads: 1, verifyBatch: async () => [{ index: 0, error, confirmed: true }] });
    await assert.rejects(judge.judge(TASK, handedIn(new Uint8Array(256).fill(1))), (thrown: ZkraftError) => {
      // What a worker would take for a final no of its proof would be dropped by it.
      assert.ok(thrown.retryable);
      assert.match(thrown.message, /public signals are 2/);
      return thrown.code === 'internal';
    });
  });

  test('times what was answered, and neither what was refused a place nor what nobody wanted any more', async () => {
    const metrics = createMetrics();
    const judge = judgeWith(
      {
        threads: 1,
        verifyBatch: async (_key, [first]) => {
          if (first?.proof.pi_a[0] === '0') throw new ZkraftError('overloaded', 'full');
          return [];
        },
      },
      metrics,
    );
    const timed = async () => {
      const text = await metrics.registry.metrics();
      return Number(/^coordinator_verify_seconds_count(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
    };
    await assert.rejects(judge.judge(TASK, handedIn(new Uint8Array(256))), /full/);
    const unwanted = { ...handedIn(new Uint8Array(256).fill(1)), isWanted: () => false };
    assert.equal(await judge.judge(TASK, unwanted), undefined);
    assert.equal(await timed(), 0);
    assert.deepEqual(await judge.judge(TASK, handedIn(new Uint8Array(256).fill(1))), { ok: true });
    assert.equal(await timed(), 1);
  });

  test('leaves nothing with the metrics when its term ends: the node asks it for what waits', () => {
    const metrics = createMetrics();
    let registered = 0;
    judgeWith(
      { threads: 1, verifyBatch: async () => [] },
      {
        ...metrics,
        beforeScrape: () => {
          registered += 1;
        },
      },
    );
    assert.equal(registered, 0);
  });

  test('refuses as bad what lies off the curve, outside the subgroup, above the modulus, or proves nothing', async () => {
    const prover = await createProver({ backend: 'snarkjs', threads: 1 });
    try {
      const judge = judgeWith(prover);
      const why = async (proof: Uint8Array): Promise<string> => {
        const verdict = await judge.judge(TASK, handedIn(proof));
        assert.ok(verdict);
        return verdict.ok ? 'it was accepted' : verdict.why;
      };
      assert.match(await why(new Uint8Array(256).fill(1)), /pi_a is not a point of the curve/);
      assert.match(await why(proofWith(g2ToJson(finite(strayTwistPoint())))), /pi_b .*outside the subgroup/);
      assert.match(await why(new Uint8Array(256).fill(255)), /is not below the field's modulus/);
      assert.match(await why(proofWith(g2)), /does not verify/);
      assert.match(await why(new Uint8Array(255)), /255 bytes/);
    } finally {
      await prover.close();
    }
  });
});
