/** `zkraft info`: what this machine and this folder offer. */
import { availableParallelism, totalmem } from 'node:os';
import { resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { VERSION } from '../../common/index.ts';
import { run } from '../run.ts';
import { settingsFlags, settingsOf } from '../settings-flags.ts';

interface Args {
  readonly json: boolean;
}

export const info: CommandModule<object, Args> = {
  command: 'info',
  describe: 'Shows versions, prover backends, PostgreSQL binaries and the circuits that have keys here',
  builder: (yargs) =>
    settingsFlags(yargs, ['data', 'zkp'])
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('$0 info --json', 'For scripts and bug reports'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { describeBackends, openDirectoryArtifacts } = await import('../../prover/index.ts');
      const { describePostgresBinaries } = await import('../../store/index.ts');
      const config = settingsOf(argv as unknown as Record<string, unknown>);
      const dataDir = resolve(config.get('data.dir'));
      const artifacts = await openDirectoryArtifacts(resolve(dataDir, 'artifacts'));
      const circuits = (await artifacts.circuits.list()).map((c) => ({
        circuit_id: c.circuitId,
        digest: c.digest,
        trusted_setup: c.manifest.trustedSetup,
        constraints: c.manifest.constraints,
      }));
      const backends = await describeBackends(config.get('zkp.kernel'));
      const postgres = await describePostgresBinaries();
      const machine = {
        platform: `${process.platform}-${process.arch}`,
        processors: availableParallelism(),
        memory_bytes: totalmem(),
      };
      terminal.answer(
        {
          success: true,
          version: VERSION,
          node: process.version,
          machine,
          curve: config.get('zkp.curve'),
          backends,
          postgres,
          data_dir: dataDir,
          circuits,
        },
        [
          `zkraft ${VERSION} on Node ${process.version}, ${machine.platform}, ${machine.processors} processors, ${Math.round(machine.memory_bytes / 2 ** 30)} GiB`,
          ...backends.map((b) => `backend ${b.name}: ${b.available ? 'available' : 'not available'}; ${b.detail}`),
          `postgres: ${postgres ? `${postgres.version}, from ${postgres.source}` : 'no binaries found'}`,
          `circuits in ${dataDir}: ${circuits.length === 0 ? 'none yet (zkraft setup --depth 8)' : ''}`,
          ...circuits.map(
            (c) => `  ${c.circuit_id}  ${c.trusted_setup}  ${c.constraints} constraints  ${c.digest.slice(0, 16)}`,
          ),
        ],
      );
      return 0;
    }),
};
