/** `zkraft verify`: says whether a proof verifies, by its exit code too. */
import type { CommandModule } from 'yargs';
import { readJson } from '../inputs.ts';
import { run } from '../run.ts';

interface Args {
  readonly json: boolean;
  readonly vkey: string;
  readonly proof: string;
  readonly public: string;
}

const file = (describe: string) => ({ type: 'string', requiresArg: true, demandOption: true, describe }) as const;

export const verify: CommandModule<object, Args> = {
  command: 'verify',
  describe: 'Checks a proof. Exit code 0: it verifies; 3: it does not; 2: a file is malformed',
  builder: (yargs) =>
    yargs
      .option('vkey', file("Verification key, snarkjs's JSON"))
      .option('proof', file('proof.json'))
      .option('public', file('public.json'))
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('$0 verify --vkey verification_key.json --proof proof.json --public public.json', ''),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      const { checkVerificationKey, createProver, parseProof, parsePublicSignals, parseVerificationKey } = await import(
        '../../prover/index.ts'
      );
      const vkey = parseVerificationKey(await readJson(argv.vkey, 'vkey'));
      checkVerificationKey(vkey);
      const proof = parseProof(await readJson(argv.proof, 'proof'));
      const signals = parsePublicSignals(await readJson(argv.public, 'public'), vkey.nPublic);
      const prover = await createProver({ threads: 1 });
      try {
        const valid = await prover.verify(vkey, proof, signals, { signal });
        terminal.answer({ success: true, valid }, [valid ? 'The proof verifies.' : 'The proof does NOT verify.']);
        return valid ? 0 : 3;
      } finally {
        await prover.close();
      }
    }),
};
