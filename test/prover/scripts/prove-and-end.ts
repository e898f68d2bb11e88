/** Proves and verifies with the keys in a directory, says the verdict, and ends, closing the prover if told to. */
import { createProver, loadCircuit, openDirectoryArtifacts } from '../../../src/prover/index.ts';

const [dir = '', closing] = process.argv.slice(2);
const circuit = await loadCircuit(await openDirectoryArtifacts(dir), 'merkle-2');
const prover = await createProver({ threads: 2 });
const { proof, publicSignals } = await prover.proveMerkle(circuit, {
  leaves: [1n, 2n],
  leafIndex: 0,
  depth: 2,
  externalHash: 0n,
});
const verdict = await prover.verify(circuit.verificationKey, proof, publicSignals);
process.stdout.write(`${verdict}\n`);
if (closing === 'close') await prover.close();
