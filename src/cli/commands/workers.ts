/** `zkraft workers`: which workers there are, and what an operator does to them. */
import type { Argv, CommandModule } from 'yargs';
import type { WorkerInfo } from '../../common/rpc/index.ts';
import { run } from '../run.ts';
import { settingsOf } from '../settings-flags.ts';
import { table } from '../text-table.ts';

interface Args {
  readonly json: boolean;
  readonly coordinator: string;
  readonly 'coordinator-admin-token'?: string;
}

interface OneArgs extends Args {
  readonly id: string;
}

const target = <T>(yargs: Argv<T>) =>
  yargs
    .option('coordinator', {
      type: 'string',
      requiresArg: true,
      default: '127.0.0.1:9090',
      describe:
        'Address of a coordinator, host:port; the leader is found from it. With TLS set WORKER_TLS_CA_FILE, as for workers',
    })
    .option('coordinator-admin-token', {
      type: 'string',
      requiresArg: true,
      describe: 'Admin token; else COORDINATOR_ADMIN_TOKEN or COORDINATOR_ADMIN_TOKEN_FILE. Not needed on its machine',
    })
    .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' });

async function calls(argv: Args) {
  const { changeWorker, getWorker, listWorkers } = await import('../admin-calls.ts');
  const { coordinator: address, 'coordinator-admin-token': given } = argv;
  const { coordinatorCredentials } = await import('../../launch/index.ts');
  const config = settingsOf(given === undefined ? {} : { 'coordinator-admin-token': given });
  const token = config.get('coordinator.admin_token');
  const credentials = coordinatorCredentials(config);
  return { changeWorker, getWorker, listWorkers, at: { address, token, credentials } };
}

const ls: CommandModule<object, Args> = {
  command: 'ls',
  describe: 'Lists the workers: load, version, and why one gets no tasks',
  builder: (yargs) => target(yargs).example('$0 workers ls --coordinator 10.0.0.5:9090', 'Workers of that cluster'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { listWorkers, at } = await calls(argv);
      const workers = await listWorkers(at);
      terminal.answer(
        { success: true, workers: workers.map(workerJson) },
        table(
          ['WORKER', 'STATE', 'LOAD', 'VERSION', 'BACKENDS', 'HOST', 'GETS NO TASKS BECAUSE'],
          workers.map((worker) => [
            worker.workerId,
            worker.registered ? worker.liveness : 'not registered',
            `${worker.used}/${worker.slots}`,
            worker.softwareVersion,
            worker.backends.join(','),
            worker.host,
            worker.refusedBecause,
          ]),
        ),
      );
      return 0;
    }),
};

const show: CommandModule<object, OneArgs> = {
  command: 'show <id>',
  describe: 'Shows one worker and the tasks that it holds',
  builder: (yargs) =>
    target(yargs)
      .positional('id', { type: 'string', demandOption: true, describe: 'Name of the worker' })
      .example('$0 workers show worker-1 --json', 'All that is known of it'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { getWorker, at } = await calls(argv);
      const worker = await getWorker(at, argv.id);
      terminal.answer({ success: true, worker: workerJson(worker) }, linesOf(worker));
      return 0;
    }),
};

const change = (
  what: 'drain' | 'quarantine' | 'release',
  describe: string,
  example: string,
): CommandModule<object, OneArgs> => ({
  command: `${what} <id>`,
  describe,
  builder: (yargs) =>
    target(yargs)
      .positional('id', { type: 'string', demandOption: true, describe: 'Name of the worker' })
      .example(`$0 workers ${what} worker-1`, example),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { changeWorker, at } = await calls(argv);
      const worker = await changeWorker(at, what, argv.id);
      terminal.answer({ success: true, worker: workerJson(worker) }, linesOf(worker));
      return 0;
    }),
});

export const workers: CommandModule = {
  command: 'workers',
  describe: 'Lists, drains, quarantines and releases the workers of a coordinator',
  builder: (yargs) =>
    yargs
      .command(ls)
      .command(show)
      .command(
        change('drain', 'Gives a worker nothing new; it finishes what it holds', 'Before its machine is taken down'),
      )
      .command(change('quarantine', 'Ends what a worker holds and refuses it', 'A worker that is not to be trusted'))
      .command(change('release', 'Lifts drain and quarantine', 'It gets tasks again'))
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .demandCommand(1, 'Name what to do; zkraft workers --help lists it.')
      .example('$0 workers ls', 'Workers of the coordinator on this machine'),
  handler: () => {},
};

const workerJson = ({ leases, ...worker }: WorkerInfo) => ({
  worker_id: worker.workerId,
  registered: worker.registered,
  liveness: worker.liveness,
  slots: worker.slots,
  used: worker.used,
  software_version: worker.softwareVersion,
  backends: worker.backends,
  host: worker.host,
  session_id: Number(worker.sessionId),
  cached_circuits: worker.cachedCircuits,
  stopping: worker.stopping,
  drained: worker.drained,
  quarantined: worker.quarantined,
  bad_proofs: worker.badProofs,
  refused_because: worker.refusedBecause,
  leases: leases.map((lease) => ({
    task_id: lease.taskId,
    request_id: lease.requestId,
    attempt: lease.attempt,
    epoch: Number(lease.epoch),
    started: lease.started,
  })),
});

function linesOf(worker: WorkerInfo): string[] {
  return [
    ...table(undefined, [
      ['worker', worker.workerId],
      ['state', worker.registered ? worker.liveness : 'not registered'],
      ['load', `${worker.used} of ${worker.slots}`],
      ['version', worker.softwareVersion],
      ['backends', worker.backends.join(', ')],
      ['host', worker.host],
      ['bad proofs', String(worker.badProofs)],
      ['gets tasks', worker.refusedBecause === '' ? 'yes' : `no: ${worker.refusedBecause}`],
    ]),
    ...worker.leases.map(
      ({ taskId, attempt, started, requestId }) =>
        `task ${taskId}, attempt ${attempt}, ${started ? 'started' : 'assigned'}, request ${requestId}`,
    ),
  ];
}
