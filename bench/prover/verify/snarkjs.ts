/**
 * The baseline of `bench verify` and `bench verify-batch`: snarkjs, its curve built once, with threads of its own as its
 * users have it. With `--threads 1` it has the single-threaded curve, which sends nothing to and fro and verifies in half
 * the time.
 */
import { ZkraftError } from '../../../src/common/index.ts';
import type { ProofClaim } from '../../../src/prover/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readProofs } from '../circuit-files.ts';
import { circuitDirOf } from '../scalars.ts';
import { loadSnarkjs } from '../snarkjs-curve.ts';

export async function makeSnarkjs(order: ContenderOrder): Promise<Contender> {
  const { verificationKey, proofs } = await readProofs(circuitDirOf(order));
  const { snarkjs, curve, name } = await loadSnarkjs(order.threads);
  return {
    name: order.threads === 1 ? `${name}, single-threaded` : name,
    run: async (sample, operations) => {
      for (let i = 0; i < operations; i++) {
        const { proof, publicSignals } = proofs[(sample + i) % proofs.length] as ProofClaim;
        if (!(await snarkjs.groth16.verify(verificationKey, publicSignals, proof))) {
          throw new ZkraftError('bench_failed', `a true proof does not verify with ${name}`);
        }
      }
      return undefined;
    },
    close: () => curve.terminate(),
  };
}
