/** `zkraft backup`: the database and a node's Raft directory into a folder. */
import type { CommandModule } from 'yargs';
import { ZkraftError } from '../../common/index.ts';
import { type PartArgs, partFlags, raftDirOf, refuseIdleFlag, stages } from '../backup-flags.ts';
import { run } from '../run.ts';
import { settingsOf } from '../settings-flags.ts';
import { table } from '../text-table.ts';

interface Args extends PartArgs {
  readonly to: string;
}

export const backup: CommandModule<object, Args> = {
  command: 'backup',
  describe: 'Backs up the database, and the Raft directory of a node that does not run',
  builder: (yargs) =>
    partFlags(yargs, 'pg_dump')
      .option('to', {
        type: 'string',
        requiresArg: true,
        demandOption: true,
        describe: 'Folder of the backup: a new one, or an empty one',
      })
      .example('$0 backup --to /backups/monday', 'The database, while all goes on')
      .example(
        '$0 backup --to /backups/monday --raft-dir /var/lib/zkp/raft',
        'And the directory of a stopped coordinator',
      )
      .example('$0 backup --to /backups/c1 --only raft --config c1.yaml', 'That alone, where the settings say it is'),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      refuseIdleFlag(argv);
      const { databaseOptions, makeBackup, namingDatabase } = await import('../../launch/index.ts');
      const config = settingsOf(argv as unknown as Record<string, unknown>);
      const { only } = argv;
      const raftDir = only === 'database' ? undefined : raftDirOf(argv, config);
      if (only === 'raft' && raftDir === undefined) {
        throw new ZkraftError('usage', 'which Raft directory? Name it: --raft-dir', { field: 'raft-dir' });
      }
      const progress = stages(terminal, 'Backing up');
      const work = makeBackup({
        to: argv.to,
        database: only === 'raft' ? undefined : databaseOptions(config),
        raftDir,
        binDir: argv['pg-bin'],
        env: process.env,
        signal,
        onProgress: progress.update,
      });
      const { dir, manifest, bytes } = await namingDatabase(config, work).finally(progress.stop);
      const { database, raft, files } = manifest;
      terminal.event({ event: 'backup', success: true, dir, bytes, files: files.length, database, raft }, [
        `${dir} is a whole backup: ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB`,
        ...table(undefined, [
          ...(database === null
            ? []
            : [['database', `${database.name}, schema ${database.schema_version}, ${tasksOf(database.tasks)}`]]),
          ...(raft === null
            ? []
            : [['Raft directory', `${raft.node}, epoch ${raft.epoch}, up to entry ${raft.last_index}`]]),
        ]),
        ...(database !== null && raft === null ? ['The Raft directory is not in it; see docs/guides/operate.md'] : []),
        'Whoever can read it can read all leaves: keep it as you keep the database.',
      ]);
      return 0;
    }),
};

const tasksOf = (tasks: Readonly<Record<string, number>>): string => {
  const told = Object.entries(tasks).map(([status, count]) => `${count} ${status}`);
  return told.length === 0 ? 'no tasks' : `tasks: ${told.join(', ')}`;
};
