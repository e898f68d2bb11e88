/** `zkraft dev`: the whole network in the foreground, on this machine. */
import type { CommandModule } from 'yargs';
import { createLogger } from '../../common/logging/index.ts';
import type { DevNetwork } from '../../launch/index.ts';
import { parseDepths } from '../inputs.ts';
import { run, stopped } from '../run.ts';
import { printConfigFlag, printedConfig, settingsFlags, settingsOf } from '../settings-flags.ts';

const SECTIONS = ['data', 'server', 'coordinator', 'worker', 'zkp', 'rate_limit', 'cors', 'auth', 'logging', 'metrics'];

interface Args {
  readonly json: boolean;
  readonly depths: string;
  readonly 'print-config'?: boolean;
}

export const dev: CommandModule<object, Args> = {
  command: 'dev',
  describe: 'Runs gateway, coordinator, worker and a private PostgreSQL here, in the foreground',
  builder: (yargs) =>
    printConfigFlag(settingsFlags(yargs, SECTIONS))
      .option('depths', {
        type: 'string',
        default: '8,16',
        describe: 'Depths whose keys are made before the network is ready',
      })
      .option('json', { type: 'boolean', default: false, describe: 'One JSON object a line: progress, ready, stopped' })
      .example('$0 dev', 'The network on 127.0.0.1:8080, its data in ./.zkraft')
      .example('$0 dev --depths 8,20 --server-port 9000', 'Another port, and keys for depth 20'),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      const config = settingsOf(argv as unknown as Record<string, unknown>);
      if (printedConfig(argv, config, terminal)) return 0;
      const { launchDev } = await import('../../launch/index.ts');
      const logger = createLogger({
        level: config.sourceOf('logging.level') === 'default' ? 'warn' : config.get('logging.level'),
        format: config.sourceOf('logging.format') === 'default' ? 'console' : config.get('logging.format'),
        output: config.get('logging.output'),
      });
      const progress = terminal.progress('Starting');
      let last = '';
      const onProgress = (fraction: number, stage: string): void => {
        progress.update(fraction, stage);
        if (stage === last) return;
        last = stage;
        if (terminal.json) terminal.event({ event: 'progress', stage }, []);
        else if (process.stderr.isTTY !== true) terminal.note(stage);
      };
      const depths = parseDepths(argv.depths, 'depths');
      const network = await launchDev({ config, logger, depths, signal, onProgress }).finally(() => progress.stop());
      terminal.event(
        {
          event: 'ready',
          gateway_url: network.gatewayUrl,
          coordinator_url: network.coordinatorUrl,
          coordinator_grpc: network.coordinatorGrpc,
          worker_url: network.workerUrl,
          data_dir: network.dataDir,
          database_url: network.databaseUrl,
        },
        banner(network),
      );
      try {
        await Promise.race([stopped(signal), network.done]);
      } finally {
        terminal.note('Stopping...');
        await network.close();
      }
      terminal.event({ event: 'stopped' }, ['Stopped.']);
      return 0;
    }),
};

function banner(network: DevNetwork): string[] {
  return [
    '',
    'zkraft is ready.',
    '',
    `  gateway       ${network.gatewayUrl}   (open it in a browser; API: ${network.gatewayUrl}/openapi.json)`,
    `  coordinator   ${network.coordinatorUrl}/health   workers connect to ${network.coordinatorGrpc}`,
    ...(network.workerUrl ? [`  worker        ${network.workerUrl}/health`] : []),
    `  data          ${network.dataDir}`,
    `  database      psql '${network.databaseUrl}'`,
    '',
    'Prove that the secret leaf at index 1 is in a tree:',
    '',
    `  curl -s ${network.gatewayUrl}/api/v1/tasks/merkle -H 'content-type: application/json' \\`,
    `    -d '{"leaves":["11","22","33"],"leaf_index":1}'`,
    '',
    `  curl -s '${network.gatewayUrl}/api/v1/tasks/TASK_ID?wait=20s'`,
    '',
    'Its keys are single-party: good for trying, not for production. Ctrl-C stops everything.',
    '',
  ];
}
