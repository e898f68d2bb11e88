/** Offers settings as flags: each section of the table that a command reads. */
import type { Argv } from 'yargs';
import { type Config, flagOf, loadConfig, SETTING_KEYS, SETTINGS, type Setting, sectionOf } from '../config/index.ts';
import type { Terminal } from './terminal.ts';

export function settingsFlags<T>(yargs: Argv<T>, sections: readonly string[]): Argv<T & { config?: string }> {
  for (const key of SETTING_KEYS) {
    if (!sections.includes(sectionOf(key))) continue;
    const row = SETTINGS[key] as Setting;
    const isList = Array.isArray(row.default);
    yargs.option(flagOf(key), {
      type: 'string',
      ...(isList ? { array: true } : {}),
      group: `Settings: ${sectionOf(key)}`,
      describe: `${row.text} [default: ${row.secret ? 'none' : JSON.stringify(row.default)}]`,
      requiresArg: true,
    });
  }
  return yargs.option('config', {
    type: 'string',
    describe: 'YAML file with settings (docs/reference/settings.md)',
    requiresArg: true,
  });
}

/** For commands that run on: shows what flags, environment and file come to. */
export function printConfigFlag<T>(yargs: Argv<T>): Argv<T & { 'print-config'?: boolean }> {
  return yargs.option('print-config', {
    type: 'boolean',
    describe: 'Prints the settings that result, without secrets, and stops',
  });
}

/** The settings of this command line, the environment, and the file named by `--config` or ZKRAFT_CONFIG. */
export function settingsOf(argv: Readonly<Record<string, unknown>>, env: NodeJS.ProcessEnv = process.env): Config {
  const file = typeof argv.config === 'string' ? argv.config : env.ZKRAFT_CONFIG;
  return loadConfig({ flags: argv, env, file: file === '' ? undefined : file });
}

/** True when the command was only asked to show its settings, and did. */
export function printedConfig(
  argv: { 'print-config'?: boolean | undefined },
  config: Config,
  terminal: Terminal,
): boolean {
  if (argv['print-config'] !== true) return false;
  terminal.answer(config.toJSON(), [config.toYaml().trimEnd()]);
  return true;
}
