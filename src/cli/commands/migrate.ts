/** `zkraft migrate`: the database schema. */
import type { CommandModule } from 'yargs';
import { run } from '../run.ts';
import { settingsFlags, settingsOf } from '../settings-flags.ts';

interface Args {
  readonly json: boolean;
  readonly direction: 'up' | 'down' | 'status';
  readonly to?: number;
}

export const migrate: CommandModule<object, Args> = {
  command: 'migrate <direction>',
  describe: 'Brings the database schema up, takes it down, or shows where it stands',
  builder: (yargs) =>
    settingsFlags(yargs, ['database'])
      .positional('direction', { choices: ['up', 'down', 'status'] as const, demandOption: true })
      .option('to', {
        type: 'number',
        describe: 'Number of the migration to stop at (down: the last one to keep; 0 drops all)',
      })
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('DATABASE_URL=postgres://... $0 migrate up', 'Creates or updates the schema')
      .example('$0 migrate status --json', 'Applied and pending migrations'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { databaseOptions, namingDatabase } = await import('../../launch/index.ts');
      const { migrate: runMigrations } = await import('../../store/index.ts');
      const config = settingsOf(argv as unknown as Record<string, unknown>);
      const { migrations } = await namingDatabase(
        config,
        runMigrations(databaseOptions(config), argv.direction, argv.to === undefined ? {} : { to: argv.to }),
      );
      terminal.answer(
        { success: true, migrations },
        migrations.map((m) => `${m.appliedAt ? 'applied' : 'pending'}  ${m.name}`),
      );
      return 0;
    }),
};
