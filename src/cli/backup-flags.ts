/** What `zkraft backup` and `zkraft restore` have in common: which parts, where they lie, and how far it has come. */
import type { Argv } from 'yargs';
import { ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { settingsFlags } from './settings-flags.ts';
import type { Terminal } from './terminal.ts';

export type BackupPart = 'database' | 'raft';

export interface PartArgs {
  readonly json: boolean;
  readonly only?: BackupPart;
  readonly 'raft-dir'?: string;
  readonly 'pg-bin'?: string;
}

export const partFlags = <T>(yargs: Argv<T>, programs: string) =>
  settingsFlags(yargs, ['database'])
    .option('raft-dir', {
      type: 'string',
      requiresArg: true,
      describe: 'Raft directory of a node that does not run [default: coordinator.raft.raft_dir, where that is set]',
    })
    .option('only', {
      choices: ['database', 'raft'] as const,
      requiresArg: true,
      describe: 'This part alone',
    })
    .option('pg-bin', {
      type: 'string',
      requiresArg: true,
      describe: `Folder of ${programs} [default: wherever they are found]`,
    })
    .option('json', { type: 'boolean', default: false, describe: 'One JSON object a line: progress, then the answer' });

/** The flag, or the setting unless that is only its default. */
export function raftDirOf(argv: PartArgs, config: Config): string | undefined {
  if (argv['raft-dir'] !== undefined) return argv['raft-dir'];
  const key = 'coordinator.raft.raft_dir';
  return config.sourceOf(key) === 'default' ? undefined : config.get(key);
}

/** For a command line that says both `--only database` and where the Raft directory is. */
export function refuseIdleFlag({ only, ...argv }: PartArgs): void {
  if (only !== 'database' || argv['raft-dir'] === undefined) return;
  throw new ZkraftError('usage', '--only database leaves the Raft directory; give --raft-dir or --only database', {
    field: 'only',
  });
}

/** A bar on a terminal, a line a stage in a pipe, an object a stage with `--json`. */
export function stages(terminal: Terminal, title: string) {
  const progress = terminal.progress(title);
  let last = '';
  return {
    update: (fraction: number, stage: string): void => {
      progress.update(fraction, stage);
      const name = stage.split(':')[0] ?? stage;
      if (name === last) return;
      last = name;
      if (terminal.json) terminal.event({ event: 'progress', fraction: Number(fraction.toFixed(3)), stage: name }, []);
      else if (process.stderr.isTTY !== true) terminal.note(name);
    },
    stop: () => progress.stop(),
  };
}
