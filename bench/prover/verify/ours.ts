/** Our side of `bench verify`: `prover.verify` as anybody calls it. */
import { ZkraftError } from '../../../src/common/index.ts';
import { createProver, type ProofClaim } from '../../../src/prover/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readProofs } from '../circuit-files.ts';
import { describeOurs } from '../ours.ts';
import { circuitDirOf } from '../scalars.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  const { verificationKey, proofs } = await readProofs(circuitDirOf(order));
  const prover = await createProver({ backend: 'auto', threads: 0 });
  return {
    ...(await describeOurs(prover.backend)),
    run: async (sample, operations) => {
      for (let i = 0; i < operations; i++) {
        const { proof, publicSignals } = proofs[(sample + i) % proofs.length] as ProofClaim;
        if (!(await prover.verify(verificationKey, proof, publicSignals))) {
          throw new ZkraftError('bench_failed', 'a true proof does not verify');
        }
      }
      return undefined;
    },
    close: () => prover.close(),
  };
}
