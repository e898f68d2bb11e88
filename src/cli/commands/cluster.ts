/** `zkraft cluster`: a whole cluster as separate processes on this machine, and how it stands. */
import { availableParallelism } from 'node:os';
import type { Argv, CommandModule } from 'yargs';
import { ZkraftError } from '../../common/index.ts';
import { createLogger } from '../../common/logging/index.ts';
import type { ProcessStatus, RunningCluster } from '../../launch/index.ts';
import { parseDepths } from '../inputs.ts';
import { run, stopped } from '../run.ts';
import { table } from '../text-table.ts';
import { thisProgram } from '../this-program.ts';

interface Args {
  readonly dir: string;
  readonly json: boolean;
}

interface UpArgs extends Args {
  readonly coordinators: number;
  readonly workers: number;
  readonly depths: string;
  readonly 'first-port'?: number;
  readonly 'raft-timeout': string;
}

const common = <T>(yargs: Argv<T>) =>
  yargs
    .option('dir', {
      type: 'string',
      requiresArg: true,
      default: './.zkraft-cluster',
      describe: 'Folder of the cluster: certificates, settings, logs, data',
    })
    .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' });

const SIZES = [1, 3, 5, 7] as const;
const WORKERS_MAX = 16;
/** The usual ports of each part; with --first-port all follow one another from there, in blocks of ten or more. */
const PORTS = { gateway: 8080, grpc: 9090, http: 8090, raft: 7000, worker: 9464 } as const;
const BLOCK = 10;

const up: CommandModule<object, UpArgs> = {
  command: 'up',
  describe: 'Runs coordinators, gateway, workers and a private PostgreSQL as processes here, in the foreground',
  builder: (yargs) =>
    common(yargs)
      .option('coordinators', { type: 'number', requiresArg: true, default: 3, choices: SIZES, describe: 'How many' })
      .option('workers', { type: 'number', requiresArg: true, default: 2, describe: 'How many' })
      .option('depths', {
        type: 'string',
        requiresArg: true,
        default: '8,16',
        describe: 'Depths whose keys are made before the cluster is ready',
      })
      .option('first-port', {
        type: 'number',
        requiresArg: true,
        describe: 'All ports from here on, in place of the usual ones (8080, 8090, 9090, 7000, 9464 and up)',
      })
      .option('raft-timeout', {
        type: 'string',
        requiresArg: true,
        default: '1s',
        describe: 'How long coordinators wait for their leader before they elect another',
      })
      .example('$0 cluster up', 'Three coordinators, two workers; Ctrl-C stops them all')
      .example('$0 cluster up --coordinators 5 --first-port 20000', 'Five, beside other things that run here'),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      if (!Number.isInteger(argv.workers) || argv.workers < 0 || argv.workers > WORKERS_MAX) {
        throw new ZkraftError('usage', `--workers is ${argv.workers}; give 0 to ${WORKERS_MAX}`, { field: 'workers' });
      }
      const { launchCluster } = await import('../../launch/index.ts');
      const progress = terminal.progress('Starting');
      const logger = createLogger({ level: 'warn', format: 'console', output: 'stderr' });
      let last = '';
      const cluster = await launchCluster({
        dir: argv.dir,
        coordinators: argv.coordinators,
        workers: argv.workers,
        workerConcurrency: Math.max(1, Math.floor(availableParallelism() / Math.max(1, argv.workers))),
        ports: portsFrom(argv['first-port']),
        raftTimeout: argv['raft-timeout'],
        depths: parseDepths(argv.depths, 'depths'),
        main: thisProgram(),
        logger,
        signal,
        onProgress: (fraction, stage) => {
          progress.update(fraction, stage);
          if (stage === last) return;
          last = stage;
          if (terminal.json) terminal.event({ event: 'progress', stage }, []);
          else if (process.stderr.isTTY !== true) terminal.note(stage);
        },
      }).finally(() => progress.stop());
      const { gatewayUrl, databaseUrl, dir, processes } = cluster;
      terminal.event(
        {
          event: 'ready',
          gateway_url: gatewayUrl,
          database_url: databaseUrl,
          dir,
          processes: processes.map(({ name, url }) => ({ name, url })),
        },
        banner(cluster),
      );
      try {
        await Promise.race([stopped(signal), cluster.done]);
      } finally {
        terminal.note('Stopping...');
        await cluster.close();
      }
      terminal.event({ event: 'stopped' }, ['Stopped.']);
      return 0;
    }),
};

const status: CommandModule<object, Args> = {
  command: 'status',
  describe: 'Shows the processes of the cluster that runs from a folder; exits 1 if one is not well',
  builder: (yargs) => common(yargs).example('$0 cluster status', 'While zkraft cluster up runs elsewhere'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { clusterStatus } = await import('../../launch/index.ts');
      const { gatewayUrl, leader, processes } = await clusterStatus(argv.dir);
      const rows = processes.map((one) => [one.name, String(one.pid ?? '-'), one.health, one.url, one.doing]);
      terminal.answer({ success: true, gateway_url: gatewayUrl, leader, processes: processes.map(rowOf) }, [
        ...table(['PROCESS', 'PID', 'HEALTH', 'ADDRESS', 'DOING'], rows),
        ...processes.flatMap(({ name, problems, logFile, health }) =>
          health === 'ok' ? [] : [`${name}: ${problems.join('; ') || 'does not answer'} (${logFile})`],
        ),
      ]);
      return processes.every(({ health }) => health === 'ok') ? 0 : 1;
    }),
};

const down: CommandModule<object, Args> = {
  command: 'down',
  describe: 'Stops the cluster that runs from a folder; what it keeps there stays',
  builder: (yargs) => common(yargs).example('$0 cluster down', 'As Ctrl-C does where it runs'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { stopCluster } = await import('../../launch/index.ts');
      const count = await stopCluster(argv.dir);
      terminal.answer({ success: true, processes: count }, [`${count} processes have stopped.`]);
      return 0;
    }),
};

export const cluster: CommandModule = {
  command: 'cluster',
  describe: 'Runs a whole cluster on this machine, and shows how it stands',
  builder: (yargs) =>
    yargs
      .command(up)
      .command(status)
      .command(down)
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .demandCommand(1, 'Name what to do: up, status or down.')
      .example('$0 cluster up', 'A cluster on 127.0.0.1:8080'),
  handler: () => {},
};

function portsFrom(first: number | undefined) {
  if (first === undefined) return PORTS;
  const last = first + 5 * BLOCK + WORKERS_MAX;
  if (!Number.isInteger(first) || first < 1 || last > 65_535) {
    throw new ZkraftError('usage', `--first-port is ${first}; give 1 to ${65_535 - 5 * BLOCK - WORKERS_MAX}`, {
      field: 'first-port',
    });
  }
  return {
    gateway: first,
    grpc: first + BLOCK,
    http: first + 2 * BLOCK,
    raft: first + 3 * BLOCK,
    worker: first + 4 * BLOCK,
  };
}

const rowOf = ({ name, kind, pid, url, health, doing, problems, logFile }: ProcessStatus) => ({
  name,
  pid,
  kind,
  url,
  health,
  doing,
  problems,
  log_file: logFile,
});

function banner({ gatewayUrl, processes, dir, databaseUrl }: RunningCluster): string[] {
  return [
    '',
    'The cluster is ready.',
    '',
    ...processes.map(({ name, url }) => `  ${name.padEnd(15)} ${url}${name === 'gateway' ? '' : '/health'}`),
    `  ${'database'.padEnd(15)} psql '${databaseUrl}'`,
    `  ${'settings, logs'.padEnd(15)} ${dir}`,
    '',
    'Prove that the secret leaf at index 1 is in a tree:',
    '',
    `  zkraft submit --url ${gatewayUrl} --leaves examples/leaves.json --index 1`,
    '',
    'See how it stands, kill what you like, see again:  zkraft cluster status',
    'Its keys are single-party: good for trying, not for production. Ctrl-C stops everything.',
    '',
  ];
}
