/**
 * Load on the coordinator's verification: its judge over a prover's threads, with true proofs that workers hand in at a
 * given rate, or as fast as they are answered. CPU time is the whole process's: judging, sending, and the threads.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { toBytesBE } from '../../src/common/index.ts';
import { createMetrics } from '../../src/coordinator/metrics.ts';
import { ProofJudge } from '../../src/coordinator/service/verification.ts';
import type { TaskSpec } from '../../src/coordinator/state/index.ts';
import { createProver, type Prover, proofToBytes } from '../../src/prover/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import { measureLoopDelay } from './loop-delay.ts';
import { SeededRandom } from './seeded-random.ts';
import { simulatedKey } from './simulated-proofs.ts';

export interface LoadFigures {
  readonly proofs: number;
  readonly perSecond: number;
  readonly cpuMsPerProof: number;
  readonly batchMean: number;
  /** From handing in to the answer. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** How late the main thread's timers are, which is how late the scheduler would be. */
  readonly loopDelayMs: { readonly p50: number; readonly p99: number };
  /** Answers to the worker that hands in bad proofs. */
  readonly badRefused: number;
}

export interface LoadOptions {
  readonly seconds: number;
  /** Undefined: as many as are answered. */
  readonly ratePerSecond?: number;
  /** A worker that always has so many bad proofs waiting, and is never quarantined. */
  readonly badWaiting?: number;
}

/** Of the hand that sends, which takes CPU time of its own. */
const SEND_EVERY_MS = 5;
const WORKERS = 8;
/** Of each worker, where there is no rate: together fewer than the queue takes. */
const IN_FLIGHT = 24;
const PROOFS = 64;
const DIGEST = 'ab'.repeat(32);

interface HandedTask {
  readonly task: TaskSpec;
  readonly proof: Uint8Array;
  readonly signals: readonly Uint8Array[];
}

export class VerificationLoad {
  readonly #prover: Prover;
  readonly #judge: ProofJudge;
  readonly #batches: () => Promise<{ readonly sum: number; readonly count: number }>;
  readonly #tasks: readonly HandedTask[];

  static async create(): Promise<VerificationLoad> {
    return new VerificationLoad(await createProver({ threads: 1 }));
  }

  private constructor(prover: Prover) {
    const random = new SeededRandom(200);
    const { key, prove } = simulatedKey(random, 2);
    this.#prover = prover;
    this.#tasks = Array.from({ length: PROOFS }, (_, i) => {
      const { proof, publicSignals } = prove(random, [random.bigintBelow(Fr.modulus), BigInt(i)]);
      const signals = publicSignals.map((signal) => toBytesBE(BigInt(signal)));
      const [root, externalHash] = signals.map((bytes) => Buffer.from(bytes).toString('base64')) as [string, string];
      const names = { id: `t${i}`, requestId: `r${i}`, circuitId: 'merkle-3', circuitDigest: DIGEST, treeId: DIGEST };
      return {
        task: { ...names, depth: 3, leafIndex: 0, root, externalHash },
        proof: proofToBytes(proof),
        signals,
      };
    });
    const metrics = createMetrics();
    const catalog = { verifying: async () => ({ verificationKey: key, publicSignals: ['root', 'externalHash'] }) };
    this.#judge = new ProofJudge({ verifier: prover, catalog, metrics });
    this.#batches = async () => {
      const all = await metrics.registry.getSingleMetric('coordinator_verify_batch_proofs')?.get();
      const values = (all?.values ?? []) as readonly { readonly metricName?: string; readonly value: number }[];
      const of = (suffix: string): number => values.find((one) => one.metricName?.endsWith(suffix))?.value ?? 0;
      return { sum: of('_sum'), count: of('_count') };
    };
  }

  /** Until every worker is trusted with a whole batch and the code is compiled. */
  async warm(): Promise<void> {
    await this.measure({ seconds: 3 });
  }

  async measure({ seconds, ratePerSecond, badWaiting = 0 }: LoadOptions): Promise<LoadFigures> {
    const latencies: number[] = [];
    let sent = 0;
    let badRefused = 0;
    let over = false;
    const hand = async (): Promise<void> => {
      const n = sent++;
      const beganMs = performance.now();
      const { task, proof, signals } = this.#tasks[n % PROOFS] as HandedTask;
      const verdict = await this.#judge.judge(task, { workerId: `w${n % WORKERS}`, proof, signals });
      assert.deepEqual(verdict, { ok: true });
      latencies.push(performance.now() - beganMs);
    };
    const handBad = async (): Promise<void> => {
      while (!over) {
        const { task, signals } = this.#tasks[0] as HandedTask;
        const { proof } = this.#tasks[1] as HandedTask;
        const isWanted = (): boolean => !over;
        const verdict = await this.#judge.judge(task, { workerId: 'liar', proof, signals, isWanted });
        assert.ok(verdict === undefined || !verdict.ok, 'another proof is no proof');
        if (verdict !== undefined) badRefused += 1;
      }
    };
    const before = await this.#batches();
    const loopDelay = measureLoopDelay();
    const cpuBefore = process.cpuUsage();
    const beganMs = performance.now();
    const untilMs = beganMs + 1_000 * seconds;
    const bad = Array.from({ length: badWaiting }, () => handBad());
    const hands: Promise<void>[] = [];
    if (ratePerSecond === undefined) {
      const worker = async (): Promise<void> => {
        while (performance.now() < untilMs) await hand();
      };
      for (let i = 0; i < WORKERS * IN_FLIGHT; i++) hands.push(worker());
    } else {
      while (performance.now() < untilMs) {
        const due = Math.floor(((performance.now() - beganMs) * ratePerSecond) / 1_000);
        while (sent < due) hands.push(hand());
        await sleep(SEND_EVERY_MS);
      }
    }
    await Promise.all(hands);
    const tookMs = performance.now() - beganMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    const { p50Ms, p99Ms } = loopDelay().all;
    over = true;
    await Promise.all(bad);
    const after = await this.#batches();
    latencies.sort((a, b) => a - b);
    const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? 0;
    return {
      proofs: latencies.length,
      perSecond: (1_000 * latencies.length) / tookMs,
      cpuMsPerProof: (user + system) / 1_000 / latencies.length,
      batchMean: (after.sum - before.sum) / (after.count - before.count),
      latencyMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      loopDelayMs: { p50: p50Ms, p99: p99Ms },
      badRefused,
    };
  }

  close(): Promise<void> {
    return this.#prover.close();
  }
}

export function loadText(name: string, figures: LoadFigures): string {
  const { proofs, perSecond, cpuMsPerProof, batchMean, latencyMs, loopDelayMs, badRefused } = figures;
  const ms = (value: number): string => value.toFixed(2);
  return [
    `${name}: ${proofs} proofs, ${perSecond.toFixed(0)}/s, CPU ${ms(cpuMsPerProof)} ms a proof`,
    `${batchMean.toFixed(1)} a batch, answered after ${ms(latencyMs.p50)} ms (p99 ${ms(latencyMs.p99)}, max ${ms(latencyMs.max)})`,
    `event loop late by ${ms(loopDelayMs.p50)} ms (p99 ${ms(loopDelayMs.p99)})`,
    ...(badRefused > 0 ? [`${badRefused} bad proofs refused meanwhile`] : []),
  ].join('; ');
}
