/** Sets the Merkle circuit of depth 2 up in a directory and says what came of it. */
import { openDirectoryArtifacts, setUpMerkleCircuit } from '../../../src/prover/index.ts';

const artifacts = await openDirectoryArtifacts(process.argv[2] ?? '');
const { made, digest } = await setUpMerkleCircuit({ depth: 2, artifacts });
process.stdout.write(JSON.stringify({ made, digest }));
