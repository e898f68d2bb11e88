/** `zkraft prove`: a proof on this machine, without a network: a Merkle leaf, or any circom circuit. */
import { join, resolve } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { makeFolder, parseDurationMs, parseElement, ZkraftError } from '../../common/index.ts';
import type {
  BackendChoice,
  CircuitArtifacts,
  CircuitInput,
  ProveOptions,
  ProveResult,
  Prover,
  ProveTimings,
} from '../../prover/index.ts';
import { parseIndex, readBytes, readJson, readLeaves, writeJson, writeOut } from '../inputs.ts';
import { type CommandContext, run } from '../run.ts';
import { settingsFlags, settingsOf } from '../settings-flags.ts';

interface Args {
  readonly json: boolean;
  readonly out: string;
  readonly backend: BackendChoice;
  readonly timeout?: string;
  readonly leaves?: string;
  readonly index?: string;
  readonly depth?: string;
  readonly 'external-hash'?: string;
  readonly zkey?: string;
  readonly wasm?: string;
  readonly input?: string;
}

const text = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

export const prove: CommandModule<object, Args> = {
  command: 'prove',
  describe: 'Proves on this machine: a Merkle leaf (--leaves, --index) or any circuit (--zkey, --wasm, --input)',
  builder: (yargs) =>
    (settingsFlags(yargs, ['data']) as Argv<object>)
      .option('out', { ...text('Folder for proof.json, public.json and verification_key.json'), demandOption: true })
      .option('backend', {
        choices: ['auto', 'wasm', 'webgpu', 'snarkjs'] as const,
        default: 'auto' as const,
        describe: 'What makes the proof',
      })
      .option('timeout', text('Give up after this time, such as 5m'))
      .option('leaves', text('Leaves: a JSON array of strings, or one a line'))
      .option('index', text('Index of the leaf to prove, from 0'))
      .option(
        'depth',
        text('Depth of the tree; else 8 if the leaves fit, else the smallest of 8, 16, 20, 32 that does'),
      )
      .option('external-hash', text('Field element that the proof is bound to'))
      .option('zkey', text('Proving key of any Groth16 circuit over BN254'))
      .option('wasm', text('Its witness program, as circom 2 writes it'))
      .option('input', text('Its inputs, JSON by signal name'))
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('$0 prove --leaves examples/leaves.json --index 3 --out ./proof', 'Makes the keys if they are missing')
      .example('$0 prove --zkey c.zkey --wasm c.wasm --input in.json --out ./proof', 'Any circom circuit')
      .conflicts('leaves', ['zkey', 'wasm', 'input'])
      .conflicts('index', ['zkey', 'wasm', 'input']),
  handler: (argv) =>
    run(argv.json, async (context) => {
      const job =
        argv.zkey !== undefined || argv.wasm !== undefined || argv.input !== undefined
          ? anyCircuit(argv)
          : merkleLeaf(argv, context);
      const { circuit, start } = await job;
      const { createProver } = await import('../../prover/index.ts');
      const settings = settingsOf(argv as unknown as Record<string, unknown>);
      const prover = await createProver({
        backend: argv.backend,
        kernel: settings.get('zkp.kernel'),
        tableCacheDir: resolve(settings.get('data.dir'), 'tables'),
      });
      const progress = context.terminal.progress('Proving');
      try {
        const result = await start(prover, {
          signal: context.signal,
          onStage: (stage) => progress.update({ witness: 0.1, prove: 0.2, verify: 0.9 }[stage], stage),
          ...(argv.timeout === undefined ? {} : { timeoutMs: parseDurationMs(argv.timeout, 'timeout') }),
        });
        progress.stop();
        const out = await writeProof(argv.out, result, circuit);
        context.terminal.answer(
          {
            success: true,
            out,
            circuit_id: circuit.circuitId,
            public_signals: result.publicSignals,
            backend: result.backend,
            timings_ms: rounded(result.timings),
          },
          [
            `Proved and verified (${circuit.circuitId}, ${result.backend}, ${Math.round(result.timings.witnessMs + result.timings.proveMs)} ms).`,
            `Public signals: ${result.publicSignals.join(', ')}`,
            `Written to ${out}: proof.json, public.json, verification_key.json`,
            `Check: zkraft verify --vkey ${join(argv.out, 'verification_key.json')} --proof ${join(argv.out, 'proof.json')} --public ${join(argv.out, 'public.json')}`,
          ],
        );
        return 0;
      } finally {
        progress.stop();
        await prover.close();
      }
    }),
};

interface Job {
  readonly circuit: CircuitArtifacts;
  readonly start: (prover: Prover, options: ProveOptions) => Promise<ProveResult>;
}

async function merkleLeaf(argv: Args, { terminal, signal }: CommandContext): Promise<Job> {
  if (argv.leaves === undefined || argv.index === undefined) {
    throw new ZkraftError('usage', 'give --leaves FILE and --index N, or --zkey, --wasm and --input', {
      field: argv.leaves === undefined ? 'leaves' : 'index',
    });
  }
  const leafIndex = parseIndex(argv.index, 'index');
  if (argv.depth !== undefined && !/^\d{1,2}$/.test(argv.depth)) {
    throw new ZkraftError('invalid_depth', `--depth ${argv.depth} is not a number from 1 to 32`, { field: 'depth' });
  }
  const { checkLeafIndex, checkLeaves, depthFor, loadCircuit, openDirectoryArtifacts, setUpMerkleCircuit } =
    await import('../../prover/index.ts');
  const leaves = (await readLeaves(argv.leaves)).map((leaf, i) => parseElement(leaf, `leaves[${i}]`, 'invalid_leaf'));
  const depth = depthFor(leaves.length, argv.depth === undefined ? undefined : Number(argv.depth));
  // Before keys are made for leaves that cannot be proved anyway.
  checkLeaves(leaves, depth);
  checkLeafIndex(leafIndex, leaves.length);
  const externalHash =
    argv['external-hash'] === undefined
      ? 0n
      : parseElement(argv['external-hash'], 'external-hash', 'invalid_external_hash');
  const artifacts = await openDirectoryArtifacts(
    resolve(settingsOf(argv as unknown as Record<string, unknown>).get('data.dir'), 'artifacts'),
  );
  const progress = terminal.progress(`Keys for depth ${depth}`);
  try {
    const pinned = await setUpMerkleCircuit({
      depth,
      artifacts,
      signal,
      onProgress: (stage, fraction) => progress.update(fraction, stage),
    });
    const circuit = await loadCircuit(artifacts, pinned);
    const statement = { leaves, leafIndex, depth, externalHash };
    return { circuit, start: (prover, options) => prover.proveMerkle(circuit, statement, options) };
  } finally {
    progress.stop();
  }
}

async function anyCircuit(argv: Args): Promise<Job> {
  for (const flag of ['zkey', 'wasm', 'input'] as const) {
    if (argv[flag] === undefined)
      throw new ZkraftError('usage', `--${flag} is missing: --zkey, --wasm and --input go together`, { field: flag });
  }
  const { circuitFromFiles } = await import('../../prover/index.ts');
  const circuit = await circuitFromFiles({
    zkey: await readBytes(argv.zkey as string, 'zkey'),
    wasm: await readBytes(argv.wasm as string, 'wasm'),
  });
  const input = await readJson(argv.input as string, 'input');
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    throw new ZkraftError('invalid_input', '--input must hold a JSON object: the inputs by signal name', {
      field: 'input',
    });
  }
  return { circuit, start: (prover, options) => prover.prove(circuit, input as CircuitInput, options) };
}

const writeProof = (out: string, result: ProveResult, circuit: CircuitArtifacts): Promise<string> =>
  writeOut(out, async (dir) => {
    await makeFolder(dir);
    await writeJson(join(dir, 'proof.json'), result.proof);
    await writeJson(join(dir, 'public.json'), result.publicSignals);
    await writeJson(join(dir, 'verification_key.json'), circuit.verificationKey);
  });

/** Tenths of a millisecond: more would be noise. */
const rounded = (timings: ProveTimings): Record<string, number> =>
  Object.fromEntries(Object.entries(timings).map(([stage, ms]) => [stage, Math.round(ms * 10) / 10]));
