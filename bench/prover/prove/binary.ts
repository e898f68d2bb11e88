/**
 * A foreign prover beside ours (`--vs-binary`): any program that takes zkey and witness and writes proof and signals.
 *
 * What is timed is a run of the program, from its start to its end: it reads the key each time and gets a finished
 * witness, and nobody checks its proof meanwhile. Its first proof is verified, off the clock.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ZkraftError } from '../../../src/common/index.ts';
import { parseProof, parsePublicSignals, verifyGroth16Reference } from '../../../src/prover/index.ts';
import { encodeWtns, WitnessProgram } from '../../../src/prover/witness/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { runMeasured } from '../../harness/foreign-process.ts';
import { readCircuitFiles, zkeyPath } from '../circuit-files.ts';
import { circuitDirOf } from '../scalars.ts';
import { fillCommand } from './command-template.ts';

export async function makeBinary(order: ContenderOrder): Promise<Contender> {
  const directory = circuitDirOf(order);
  const { circuit, inputs } = await readCircuitFiles(directory);
  const program = new WitnessProgram(circuit.wasm);
  const witnesses = await Promise.all(
    inputs.map(async (input, i) => {
      const path = join(directory, `witness-${i}.wtns`);
      await writeFile(path, encodeWtns(program.run(input)));
      return path;
    }),
  );
  const proofPath = join(directory, 'binary-proof.json');
  const publicPath = join(directory, 'binary-public.json');
  const words = order.command ?? [];
  return {
    name: basename(words[0] ?? ''),
    operations: 1,
    run: async (sample) => {
      const wtns = witnesses[sample % witnesses.length] as string;
      const [command = '', ...args] = fillCommand(words, {
        zkey: zkeyPath(directory),
        wtns,
        proof: proofPath,
        public: publicPath,
      });
      return await runMeasured(command, args);
    },
    result: async () => {
      const read = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));
      const proof = parseProof(await read(proofPath));
      const publicSignals = parsePublicSignals(await read(publicPath), circuit.verificationKey.nPublic);
      if (!verifyGroth16Reference(circuit.verificationKey, proof, publicSignals)) {
        throw new ZkraftError('bench_failed', `the proof that ${words[0]} wrote does not verify`, {
          field: 'vs-binary',
        });
      }
      // A proof is random: there is nothing to compare with the others'.
      return '';
    },
    close: async () => {},
  };
}
