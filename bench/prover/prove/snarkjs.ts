/** The baseline of `bench prove`: snarkjs with key and witness program in memory, and with threads of its own. */
import { ZkraftError } from '../../../src/common/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readCircuitFiles } from '../circuit-files.ts';
import { circuitDirOf } from '../scalars.ts';
import { loadSnarkjs } from '../snarkjs-curve.ts';

export async function makeSnarkjs(order: ContenderOrder): Promise<Contender> {
  const { circuit, inputFor } = await readCircuitFiles(circuitDirOf(order));
  const { snarkjs, curve, name } = await loadSnarkjs(order.threads);
  const wasm = { type: 'mem', data: circuit.wasm } as const;
  const zkey = { type: 'mem', data: circuit.zkey } as const;
  return {
    name,
    operations: 1,
    run: async (sample) => {
      const { proof, publicSignals } = await snarkjs.groth16.fullProve(inputFor(sample), wasm, zkey);
      if (!(await snarkjs.groth16.verify(circuit.verificationKey, publicSignals, proof))) {
        throw new ZkraftError('bench_failed', `the proof that ${name} made does not verify`);
      }
      return undefined;
    },
    close: () => curve.terminate(),
  };
}
