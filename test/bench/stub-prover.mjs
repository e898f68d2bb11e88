/** A prover with rapidsnark's command line, `zkey wtns proof public`; with --lie before them its proof is of nothing. */
import { writeFile } from 'node:fs/promises';
import { groth16 } from 'snarkjs';

const [zkey, wtns, proofPath, publicPath] = process.argv.slice(-4);
const { proof, publicSignals } = await groth16.prove(zkey, wtns);
const said = process.argv.includes('--lie') ? publicSignals.toReversed() : publicSignals;
await writeFile(proofPath, JSON.stringify(proof));
await writeFile(publicPath, JSON.stringify(said));
process.exit(0);
