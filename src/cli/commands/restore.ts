/** `zkraft restore`: a backup back into a database and a Raft directory. */
import type { CommandModule } from 'yargs';
import { type PartArgs, partFlags, raftDirOf, refuseIdleFlag, stages } from '../backup-flags.ts';
import { run } from '../run.ts';
import { settingsOf } from '../settings-flags.ts';

interface Args extends PartArgs {
  readonly from: string;
  readonly 'replace-database'?: string;
  readonly 'replace-raft-dir'?: string;
  readonly 'force-new-cluster': boolean;
}

export const restore: CommandModule<object, Args> = {
  command: 'restore',
  describe: 'Puts a backup back: verifies all of it first, and writes over nothing that is not named',
  builder: (yargs) =>
    partFlags(yargs, 'pg_restore')
      .option('from', { type: 'string', requiresArg: true, demandOption: true, describe: 'Folder of the backup' })
      .option('replace-database', {
        type: 'string',
        requiresArg: true,
        describe: 'Name of the database, if it is not empty: what is in it is dropped',
      })
      .option('replace-raft-dir', {
        type: 'string',
        requiresArg: true,
        describe: 'The Raft directory, if it is not empty: what is in it is moved aside, into before-restore-...',
      })
      .option('force-new-cluster', {
        type: 'boolean',
        default: false,
        describe:
          'Makes a new cluster of the node alone, which takes the database over; needed where it was one of several',
      })
      .example('$0 restore --from /backups/monday --raft-dir /var/lib/zkp/raft', 'Into an empty database and folder')
      .example(
        '$0 restore --from /backups/monday --only database --replace-database zkp_network',
        'Over what is there',
      ),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      refuseIdleFlag(argv);
      const { databaseOptions, namingDatabase, restoreBackup } = await import('../../launch/index.ts');
      const config = settingsOf(argv as unknown as Record<string, unknown>);
      const progress = stages(terminal, 'Restoring');
      const work = restoreBackup({
        from: argv.from,
        only: argv.only,
        database: databaseOptions(config),
        raftDir: raftDirOf(argv, config),
        replaceDatabase: argv['replace-database'],
        replaceRaftDir: argv['replace-raft-dir'],
        forceNewCluster: argv['force-new-cluster'],
        binDir: argv['pg-bin'],
        env: process.env,
        signal,
        onProgress: progress.update,
      });
      const { manifest, database, raft } = await namingDatabase(config, work).finally(progress.stop);
      const recovered = raft?.recovered;
      terminal.event(
        {
          event: 'restore',
          success: true,
          taken_at: manifest.started_at,
          database: database === undefined ? null : { name: database.name, tasks: database.tasks },
          raft: raft === undefined ? null : { dir: raft.dir, kept_in: raft.keptIn ?? null, node: manifest.raft?.node },
          cluster_id: recovered?.clusterId ?? manifest.raft?.cluster_id ?? null,
          new_cluster: recovered !== undefined,
        },
        [
          ...(database === undefined ? [] : [`the database ${database.name} is as it was at ${manifest.started_at}`]),
          ...(raft === undefined ? [] : [`${raft.dir} is the Raft directory of ${manifest.raft?.node} again`]),
          ...(raft?.keptIn === undefined ? [] : [`what was there is in ${raft.keptIn}`]),
          ...(recovered === undefined
            ? []
            : [
                `it is a cluster of its own, ${recovered.clusterId}: start it, wipe the Raft directories of the others, and add them: zkraft raft add-peer`,
              ]),
          ...(database !== undefined && raft === undefined
            ? [
                'coordinators that go on with their Raft directories write again what they still hold: docs/guides/operate.md',
              ]
            : []),
        ],
      );
      return 0;
    }),
};
