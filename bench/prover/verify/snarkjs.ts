/** The baseline of `bench verify`: snarkjs on one thread, its curve built once. `bench verify-batch` has the same one. */
import { ZkraftError } from '../../../src/common/index.ts';
import type { ProofClaim } from '../../../src/prover/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readProofs } from '../circuit-files.ts';
import { circuitDirOf } from '../scalars.ts';
import { loadSnarkjs } from '../snarkjs-curve.ts';

export async function makeSnarkjs(order: ContenderOrder): Promise<Contender> {
  const { verificationKey, proofs } = await readProofs(circuitDirOf(order));
  const { snarkjs, curve, name } = await loadSnarkjs(1);
  return {
    name: `${name}, single-threaded`,
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
