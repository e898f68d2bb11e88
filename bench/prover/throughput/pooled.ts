/**
 * Both sides of `bench prove-throughput`: the prover's pool, over our backend and over snarkjs.
 *
 * For throughput snarkjs is at its best with one single-threaded instance a core, which spares it the messages between
 * its threads; that is how the pool runs it. Nobody has to write it that way to use it, so the baseline is a strict one.
 */
import { type BackendChoice, createProver } from '../../../src/prover/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readCircuitFiles } from '../circuit-files.ts';
import { describeOurs } from '../ours.ts';
import { circuitDirOf } from '../scalars.ts';

/** So that a thread that is done a little earlier does not idle for half of a sample. */
const PROOFS_PER_THREAD = 3;

export async function makePooled(order: ContenderOrder, backend: BackendChoice): Promise<Contender> {
  const { circuit, inputFor } = await readCircuitFiles(circuitDirOf(order));
  const prover = await createProver({ backend, threads: order.threads });
  await prover.warm(circuit);
  const described = await describeOurs(prover.backend);
  return {
    ...(backend === 'snarkjs' ? { name: `snarkjs, ${order.threads} single-threaded` } : described),
    operations: order.threads * PROOFS_PER_THREAD,
    run: async (sample, operations) => {
      const inputs = Array.from({ length: operations }, (_, i) => inputFor(sample * operations + i));
      await Promise.all(inputs.map((input) => prover.prove(circuit, input)));
      return undefined;
    },
    close: () => prover.close(),
  };
}
