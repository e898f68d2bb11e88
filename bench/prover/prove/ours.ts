/** Our side of `bench prove`: whatever backend `auto` means in this build, with as many threads as it may have. */
import { createProver } from '../../../src/prover/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readCircuitFiles } from '../circuit-files.ts';
import { describeOurs } from '../ours.ts';
import { circuitDirOf } from '../scalars.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  const { circuit, inputFor } = await readCircuitFiles(circuitDirOf(order));
  const prover = await createProver({ backend: 'auto', threads: order.threads });
  await prover.warm(circuit);
  return {
    ...(await describeOurs(prover.backend)),
    operations: 1,
    run: async (sample) => {
      await prover.prove(circuit, inputFor(sample));
      return undefined;
    },
    close: () => prover.close(),
  };
}
