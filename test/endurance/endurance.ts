/**
 * Proofs in a row, each thread always busy: every one is verified by the thread that made it, and once more by the
 * prover's `verify`; some by snarkjs, in the end, as its memory would count as ours. Meanwhile the resident set of the
 * process is looked at after every proof.
 */
import { createProver, type Groth16Proof } from '../../src/prover/index.ts';
import { makeMerkleKeys } from '../support/merkle-circuits.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { closeSnarkjs, snarkjsVerify } from '../support/snarkjs-oracle.ts';
import type { Sample } from './verdict.ts';

export interface EnduranceOptions {
  readonly proofs: number;
  readonly depth: number;
  readonly threads: number;
  /** Proofs between samples. */
  readonly sampleEach: number;
  /** Of each so many one is shown to snarkjs. */
  readonly snarkjsEach: number;
  readonly signal?: AbortSignal;
  readonly say: (line: string) => void;
  readonly sampled: (sample: Sample) => void;
  readonly progress: (proofs: number) => void;
}

export interface EnduranceResult {
  readonly samples: readonly Sample[];
  readonly proofs: number;
  readonly elapsedMs: number;
  readonly shownToSnarkjs: number;
}

const LEAVES_MAX = 64;

/** Rejects when a proof is not made, does not verify, or shows another statement. */
export async function endure(options: EnduranceOptions): Promise<EnduranceResult> {
  const { proofs, depth, threads, sampleEach, snarkjsEach, say } = options;
  say(`setting up the Merkle circuit of depth ${depth}`);
  const keys = await makeMerkleKeys(depth);
  try {
    const circuit = keys.circuits.get(depth);
    if (circuit === undefined) throw new Error('the circuit was not set up');
    const key = circuit.verificationKey;
    await using prover = await createProver({ backend: 'wasm', threads, mode: 'throughput' });
    await prover.warm(circuit);
    say(`proving ${proofs} times in ${threads} threads`);

    const random = new SeededRandom(500);
    const samples: Sample[] = [];
    const kept: { readonly proof: Groth16Proof; readonly publicSignals: readonly string[] }[] = [];
    const beganAtMs = performance.now();
    let [begun, done, rssBytes] = [0, 0, 0];
    const one = async (number: number): Promise<void> => {
      const count = 1 + random.below(Math.min(LEAVES_MAX, 2 ** depth));
      const leaves = Array.from({ length: count }, () => 1n + random.u64());
      const statement = { leaves, leafIndex: random.below(count), depth, externalHash: BigInt(number) };
      const { proof, publicSignals } = await prover.proveMerkle(circuit, statement, {
        ...(options.signal ? { signal: options.signal } : {}),
      });
      if (publicSignals[1] !== String(number)) throw new Error(`proof ${number} shows ${publicSignals.join(', ')}`);
      if (!(await prover.verify(key, proof, publicSignals))) throw new Error(`proof ${number} does not verify`);
      if (number % snarkjsEach === 0) kept.push({ proof, publicSignals });
      done += 1;
      rssBytes = Math.max(rssBytes, process.memoryUsage.rss());
      options.progress(done);
      if (done % sampleEach === 0) {
        const sample = { proofs: done, elapsedMs: performance.now() - beganAtMs, rssBytes };
        samples.push(sample);
        options.sampled(sample);
        rssBytes = 0;
      }
    };
    // One more than there are threads, so that none waits for this one.
    const line = async (): Promise<void> => {
      while (begun < proofs) await one(begun++);
    };
    await Promise.all(Array.from({ length: threads + 1 }, line));
    const elapsedMs = performance.now() - beganAtMs;

    say(`showing ${kept.length} of them to snarkjs`);
    for (const { proof, publicSignals } of kept) {
      if (!(await snarkjsVerify(key, publicSignals, proof))) throw new Error('snarkjs refuses a proof');
    }
    return { samples, proofs: done, elapsedMs, shownToSnarkjs: kept.length };
  } finally {
    await closeSnarkjs();
    await keys.remove();
  }
}
