/** Our side of `bench verify-batch`: `prover.verifyBatch` as anybody calls it. */
import { ZkraftError } from '../../../src/common/index.ts';
import { createProver } from '../../../src/prover/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readProofs } from '../circuit-files.ts';
import { describeOurs } from '../ours.ts';
import { circuitDirOf } from '../scalars.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  const { verificationKey, proofs } = await readProofs(circuitDirOf(order));
  const prover = await createProver({ backend: 'auto', threads: 0 });
  return {
    ...(await describeOurs(prover.backend)),
    grain: proofs.length,
    run: async (_, operations) => {
      for (let done = 0; done < operations; done += proofs.length) {
        const bad = await prover.verifyBatch(verificationKey, proofs);
        if (bad.length > 0) throw new ZkraftError('bench_failed', 'true proofs do not verify');
      }
      return undefined;
    },
    close: () => prover.close(),
  };
}
