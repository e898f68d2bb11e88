/** What the commands `gateway`, `coordinator` and `worker` share: run one part until a signal, then stop cleanly. */
import type { CommandModule } from 'yargs';
import type { Logger } from '../common/index.ts';
import { createLogger } from '../common/logging/index.ts';
import type { Config } from '../config/index.ts';
import type { Running, RunningGroup } from '../launch/index.ts';
import { run, stopped } from './run.ts';
import { printConfigFlag, printedConfig, settingsFlags, settingsOf } from './settings-flags.ts';

export interface ServiceArgs {
  readonly json: boolean;
  readonly 'print-config'?: boolean;
}

export function serviceCommand(definition: {
  readonly name: string;
  readonly describe: string;
  readonly sections: readonly string[];
  readonly examples: readonly (readonly [string, string])[];
  /** Starts the part; what it opened on the way goes into `group`. */
  readonly start: (config: Config, group: RunningGroup, logger: Logger) => Promise<Running>;
}): CommandModule<object, ServiceArgs> {
  return {
    command: definition.name,
    describe: definition.describe,
    builder: (yargs) => {
      for (const [command, text] of definition.examples) yargs.example(command, text);
      return printConfigFlag(settingsFlags(yargs, ['data', ...definition.sections, 'logging', 'metrics'])).option(
        'json',
        {
          type: 'boolean',
          default: false,
          describe: 'One JSON object a line: ready, stopped',
        },
      );
    },
    handler: (argv) =>
      run(argv.json, async ({ terminal, signal }) => {
        const config = settingsOf(argv as unknown as Record<string, unknown>);
        if (printedConfig(argv, config, terminal)) return 0;
        const logger = createLogger({
          level: config.get('logging.level'),
          format: config.get('logging.format'),
          output: config.get('logging.output'),
        });
        const { RunningGroup } = await import('../launch/index.ts');
        const group = new RunningGroup(logger);
        try {
          const part = group.add(await definition.start(config, group, logger));
          const shown = Object.entries(part.addresses).map(([role, address]) => `${role} ${address}`);
          terminal.event({ event: 'ready', service: part.name, ...part.addresses }, [
            `${part.name} is ready: ${shown.join(', ')}`,
          ]);
          await Promise.race([stopped(signal), part.done ?? stopped(signal)]);
        } finally {
          await group.close();
        }
        terminal.event({ event: 'stopped', service: definition.name }, [`${definition.name} stopped.`]);
        return 0;
      }),
  };
}
