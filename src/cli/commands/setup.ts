/** `zkraft setup`: makes the keys of the Merkle circuit, once for each depth. */
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { ZkraftError } from '../../common/index.ts';
import { silentLogger } from '../../common/logging/index.ts';
import type { ArtifactStore } from '../../prover/index.ts';
import { parseDepths } from '../inputs.ts';
import { run } from '../run.ts';
import { settingsFlags, settingsOf } from '../settings-flags.ts';

interface Args {
  readonly json: boolean;
  readonly depth: string;
  readonly ptau?: string;
  readonly publish: boolean;
}

export const setup: CommandModule<object, Args> = {
  command: 'setup',
  describe: 'Makes the proving and verification keys of the Merkle circuit',
  builder: (yargs) =>
    settingsFlags(yargs, ['data', 'database'])
      .option('depth', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'Depth, or several: 8,16,20,32',
      })
      .option('ptau', {
        type: 'string',
        requiresArg: true,
        describe: 'Powers-of-tau file of a ceremony; without it the set-up is a quick single-party one',
      })
      .option('publish', {
        type: 'boolean',
        default: false,
        describe: 'Also stores the keys in the database, for gateway, coordinator and workers',
      })
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('$0 setup --depth 20', 'Single-party keys for depth 20, in ./.zkraft/artifacts')
      .example('DATABASE_URL=postgres://... $0 setup --depth 8,16 --publish', 'For a network'),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      const config = settingsOf(argv as unknown as Record<string, unknown>);
      const depths = parseDepths(argv.depth, 'depth');
      const dir = resolve(config.get('data.dir'), 'artifacts');
      const { openDirectoryArtifacts, publishCircuit, setUpMerkleCircuit } = await import('../../prover/index.ts');
      const local = await openDirectoryArtifacts(dir);
      const store = argv.publish
        ? await (await import('../../launch/index.ts')).openConfiguredStore(config, silentLogger)
        : undefined;
      const progress = terminal.progress('Keys');
      try {
        const made = [];
        for (const depth of depths) {
          if (argv.ptau !== undefined) {
            await refuseOtherKeys(local, depth, `in ${dir}; choose another --data-dir`);
            if (store) await refuseOtherKeys(store.artifacts, depth, 'in the database, for the whole network');
          }
          const circuit = await setUpMerkleCircuit({
            depth,
            artifacts: local,
            signal,
            ...(argv.ptau === undefined ? {} : { ptauPath: argv.ptau }),
            onProgress: (stage, fraction) => progress.update(fraction, `depth ${depth}: ${stage}`),
          });
          const pinned = store ? await publishCircuit(local, store.artifacts, circuit.circuitId) : circuit;
          made.push({
            circuit_id: pinned.circuitId,
            digest: pinned.digest,
            trusted_setup: pinned.manifest.trustedSetup,
            constraints: pinned.manifest.constraints,
            made: circuit.made,
            published: store !== undefined,
          });
        }
        progress.stop();
        terminal.answer({ success: true, artifacts: dir, circuits: made }, [
          ...made.map(
            (c) =>
              `${c.circuit_id}  ${c.trusted_setup}  ${c.constraints} constraints  ${c.digest.slice(0, 16)}  ${c.made ? 'made' : 'was there'}${c.published ? ', published' : ''}`,
          ),
          `Kept in ${join(dir)}.`,
        ]);
        return 0;
      } finally {
        progress.stop();
        await store?.close();
      }
    }),
};

/** Whoever names a ceremony's file must not be left with keys that were made before, without it. */
async function refuseOtherKeys(store: ArtifactStore, depth: number, where: string): Promise<void> {
  const circuit = await store.circuits.find(`merkle-${depth}`);
  if (!circuit) return;
  throw new ZkraftError(
    'already_set_up',
    `${circuit.circuitId} has keys already, ${where}; they are not replaced, since proofs and clients rely on them`,
    { field: 'ptau' },
  );
}
