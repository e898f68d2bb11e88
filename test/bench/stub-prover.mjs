/** A prover with rapidsnark's command line: `zkey wtns proof public`. With STUB_PROVER=lie its proof is of nothing. */
import { writeFile } from 'node:fs/promises';
import { groth16 } from 'snarkjs';

const [, , zkey, wtns, proofPath, publicPath] = process.argv;
const { proof, publicSignals } = await groth16.prove(zkey, wtns);
const said = process.env.STUB_PROVER === 'lie' ? publicSignals.toReversed() : publicSignals;
await writeFile(proofPath, JSON.stringify(proof));
await writeFile(publicPath, JSON.stringify(said));
process.exit(0);
