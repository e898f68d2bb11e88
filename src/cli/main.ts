#!/usr/bin/env node
/**
 * The command line. One file a command in `commands/`; what they do lives elsewhere.
 */
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { VERSION, ZkraftError } from '../common/index.ts';
import { flagOf, SETTING_KEYS, SETTINGS } from '../config/index.ts';
import { backup } from './commands/backup.ts';
import { bench } from './commands/bench.ts';
import { certs } from './commands/certs.ts';
import { cluster } from './commands/cluster.ts';
import { coordinator } from './commands/coordinator.ts';
import { dev } from './commands/dev.ts';
import { gateway } from './commands/gateway.ts';
import { info } from './commands/info.ts';
import { keys } from './commands/keys.ts';
import { migrate } from './commands/migrate.ts';
import { prove } from './commands/prove.ts';
import { raft } from './commands/raft.ts';
import { restore } from './commands/restore.ts';
import { setup } from './commands/setup.ts';
import { submit } from './commands/submit.ts';
import { tasks } from './commands/tasks.ts';
import { top } from './commands/top.ts';
import { tree } from './commands/tree.ts';
import { verify } from './commands/verify.ts';
import { worker } from './commands/worker.ts';
import { workers } from './commands/workers.ts';
import { report } from './run.ts';
import { Terminal } from './terminal.ts';

const argv = hideBin(process.argv);
const COMMANDS = [
  dev,
  cluster,
  gateway,
  coordinator,
  worker,
  migrate,
  setup,
  prove,
  verify,
  tree,
  submit,
  raft,
  top,
  backup,
  restore,
  certs,
  info,
  bench,
];
const wantsJson = argv.includes('--json');

await yargs(argv)
  .scriptName('zkraft')
  .usage('$0 <command>\n\nA zero-knowledge proving network: submit Merkle tasks, run workers, prove and verify.')
  .parserConfiguration({ 'camel-case-expansion': false, 'greedy-arrays': false, 'duplicate-arguments-array': true })
  .command(dev)
  .command(cluster)
  .command(gateway)
  .command(coordinator)
  .command(worker)
  .command(migrate)
  .command(keys)
  .command(setup)
  .command(prove)
  .command(verify)
  .command(tree)
  .command(submit)
  .command(tasks)
  .command(workers)
  .command(raft)
  .command(top)
  .command(backup)
  .command(restore)
  .command(certs)
  .command(info)
  .command(bench)
  .middleware(refuseRepeats, true)
  .demandCommand(1, 'Name a command; zkraft --help lists them.')
  .recommendCommands()
  .strict()
  .wrap(Math.min(120, process.stdout.columns ?? 100))
  .version(VERSION)
  .help()
  .fail((message, error) => {
    process.exit(report(new Terminal(wantsJson), ZkraftError.from(error ?? usage(message))));
  })
  .parseAsync();

/** What was wrong with the command line, and which help to read. */
function usage(message: string): ZkraftError {
  const [name] = argv;
  if (name === undefined || name.startsWith('-')) return new ZkraftError('usage', message);
  if (!COMMANDS.some(({ command }) => String(command).split(' ')[0] === name)) {
    return new ZkraftError('usage', `there is no command ${name}; zkraft --help lists them`);
  }
  return new ZkraftError('usage', `${message} (zkraft ${name} --help shows how)`);
}

/** Only a list may be given twice; of anything else one value would be lost. */
function refuseRepeats(parsed: Record<string, unknown>): void {
  const settings = SETTING_KEYS.filter((key) => Array.isArray(SETTINGS[key].default)).map(flagOf);
  const lists = argv[0] === 'top' ? [...settings, 'coordinator', 'gateway', 'worker'] : settings;
  for (const [flag, value] of Object.entries(parsed)) {
    if (!Array.isArray(value) || flag === '_' || lists.includes(flag)) continue;
    const error = new ZkraftError('usage', `--${flag} is given ${value.length} times; give it once`, { field: flag });
    process.exit(report(new Terminal(wantsJson), error));
  }
}
