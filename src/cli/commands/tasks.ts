/** `zkraft tasks`: every owner's tasks, for an operator with the database: list, story, cancel, do again. */
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import type { Argv, CommandModule } from 'yargs';
import { ZkraftError } from '../../common/index.ts';
import { silentLogger } from '../../common/logging/index.ts';
import type { OperatorStore, TaskEvent, TaskRow, TaskStatus, TaskStory } from '../../store/types.ts';
import { run } from '../run.ts';
import { settingsFlags, settingsOf } from '../settings-flags.ts';
import { table } from '../text-table.ts';

interface Args {
  readonly json: boolean;
}

interface OneArgs extends Args {
  readonly id: string;
}

interface ListArgs extends Args {
  readonly status?: TaskStatus;
  readonly owner?: string;
  readonly request?: string;
  readonly limit: number;
  readonly before?: string;
}

const STATUSES = ['pending', 'assigned', 'in_progress', 'completed', 'failed', 'cancelled'] as const;

const common = <T>(yargs: Argv<T>) =>
  settingsFlags(yargs, ['database']).option('json', {
    type: 'boolean',
    default: false,
    describe: 'The answer as JSON',
  });

const one = <T>(yargs: Argv<T>) =>
  common(yargs).positional('id', { type: 'string', demandOption: true, describe: 'Id of the task' });

async function withStore<T>(argv: object, work: (store: OperatorStore) => Promise<T>): Promise<T> {
  const { openConfiguredStore } = await import('../../launch/index.ts');
  const config = settingsOf(argv as Readonly<Record<string, unknown>>);
  const store = await openConfiguredStore(config, silentLogger);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

const ls: CommandModule<object, ListArgs> = {
  command: 'ls',
  describe: 'Lists tasks of all owners, newest first',
  builder: (yargs) =>
    common(yargs)
      .option('status', { choices: STATUSES, describe: 'Only those that are so' })
      .option('owner', { type: 'string', requiresArg: true, describe: 'Only those of this owner' })
      .option('request', { type: 'string', requiresArg: true, describe: 'Only those that this request submitted' })
      .option('limit', { type: 'number', default: 20, describe: 'At most so many, up to 1000' })
      .option('before', { type: 'string', requiresArg: true, describe: 'Id of a task: those submitted before it' })
      .example('DATABASE_URL=postgres://... $0 tasks ls --status failed', 'The latest that failed'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { status, owner, request, limit, before } = argv;
      const tasks = await withStore(argv, async (store) => {
        const last = before === undefined ? undefined : found(await store.taskStory(before), before).task;
        return store.listTasks({
          limit,
          ...(status === undefined ? {} : { status }),
          ...(owner === undefined ? {} : { owner }),
          ...(request === undefined ? {} : { requestId: request }),
          ...(last === undefined ? {} : { before: last }),
        });
      });
      terminal.answer(
        { success: true, tasks: tasks.map(taskJson) },
        table(
          ['TASK', 'STATUS', 'CIRCUIT', 'ATTEMPT', 'OWNER', 'SUBMITTED', 'WORKER', 'WHY'],
          tasks.map((task) => [
            task.id,
            statusOf(task),
            task.circuitId,
            String(task.attempt),
            task.owner,
            task.createdAt.toISOString(),
            task.workerId ?? '',
            task.errorCode ?? '',
          ]),
        ),
      );
      return 0;
    }),
};

const show: CommandModule<object, OneArgs> = {
  command: 'show <id>',
  describe: 'Tells the story of a task: who, when, which attempt, why',
  builder: (yargs) => one(yargs).example('$0 tasks show TASK_ID --json', 'Its row and every decision about it'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const story = found(await withStore(argv, (store) => store.taskStory(argv.id)), argv.id);
      terminal.answer({ success: true, ...storyJson(story) }, storyLines(story));
      return 0;
    }),
};

const cancel: CommandModule<object, OneArgs> = {
  command: 'cancel <id>',
  describe: 'Asks for the end of a task, whoever it belongs to',
  builder: (yargs) => one(yargs).example('$0 tasks cancel TASK_ID', 'It ends as cancelled, even in mid-proof'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const by = `operator ${userName()}`;
      const asked = await withStore(argv, (store) => store.cancelAny(argv.id, by, requestId()));
      const { task, outcome } = found(asked, argv.id);
      if (outcome === 'ended') {
        throw new ZkraftError('task_ended', `task ${task.id} is ${task.status}; what has ended cannot be cancelled`);
      }
      const said = outcome === 'asked' ? 'is being cancelled' : 'was being cancelled already';
      terminal.answer({ success: true, task: taskJson(task) }, [`${task.id}  ${said}; it was ${task.status}.`]);
      return 0;
    }),
};

const requeue: CommandModule<object, OneArgs> = {
  command: 'requeue <id>',
  describe: 'Does a failed or cancelled task again, as a new task of its owner',
  builder: (yargs) => one(yargs).example('$0 tasks requeue TASK_ID', 'Prints the id of the new task'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const again = await withStore(argv, (store) => store.resubmitAny(argv.id, requestId()));
      const { task, outcome } = found(again, argv.id);
      if (outcome === 'refused') {
        const what = `task ${task.id} is ${task.status}; only a failed or cancelled one is done again`;
        throw new ZkraftError('task_not_failed', what);
      }
      terminal.answer({ success: true, created: outcome === 'repeated', task: taskJson(task) }, [
        `${task.id}  ${task.status}${outcome === 'repeated' ? '' : ' (there already)'}`,
      ]);
      return 0;
    }),
};

export const tasks: CommandModule = {
  command: 'tasks',
  describe: 'Lists, shows, cancels and requeues tasks of all owners (needs the database)',
  builder: (yargs) =>
    yargs
      .command(ls)
      .command(show)
      .command(cancel)
      .command(requeue)
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .demandCommand(1, 'Name what to do; zkraft tasks --help lists it.')
      .example('DATABASE_URL=postgres://... $0 tasks ls', 'The latest tasks'),
  handler: () => {},
};

function found<T>(value: T | undefined, id: string): T {
  if (value !== undefined) return value;
  throw new ZkraftError('task_not_found', `no task ${id}; zkraft tasks ls names them`, { field: 'id' });
}

/** Names this invocation in the story, as a request id names a request. */
const requestId = (): string => `cli-${randomUUID()}`;

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}

const statusOf = (task: TaskRow): string =>
  task.cancelRequestedAt !== undefined && task.completedAt === undefined ? `${task.status}, to cancel` : task.status;

const taskJson = (task: TaskRow) => ({
  task_id: task.id,
  owner: task.owner,
  status: task.status,
  circuit_id: task.circuitId,
  leaf_index: task.leafIndex,
  tree_id: task.treeId,
  priority: task.priority,
  attempt: task.attempt,
  worker_id: task.workerId ?? null,
  code: task.errorCode ?? null,
  error: task.errorMessage ?? null,
  request_id: task.requestId,
  created_at: task.createdAt.toISOString(),
  started_at: task.startedAt?.toISOString() ?? null,
  completed_at: task.completedAt?.toISOString() ?? null,
  cancel_requested_at: task.cancelRequestedAt?.toISOString() ?? null,
  cancel_requested_by: task.cancelRequestedBy ?? null,
  resubmitted_from: task.resubmittedFrom ?? null,
});

const eventJson = (event: TaskEvent) => ({
  at: new Date(event.atMs).toISOString(),
  kind: event.kind,
  attempt: event.attempt,
  worker_id: event.workerId,
  code: event.code,
  message: event.message,
  request_id: event.requestId,
  log_index: event.logIndex,
});

const storyJson = ({ task, cancelRequestId, events, resubmittedAs }: TaskStory) => ({
  task: { ...taskJson(task), cancel_request_id: cancelRequestId ?? null, resubmitted_as: resubmittedAs },
  events: events.map(eventJson),
});

/** The row in a few lines, then what happened, in the order of time. */
function storyLines({ task, cancelRequestId, events, resubmittedAs }: TaskStory): string[] {
  const told: [number, string, string, string, string][] = [
    [task.createdAt.getTime(), 'submitted', '', '', `by ${task.owner}, request ${task.requestId}`],
    ...events.map((event): [number, string, string, string, string] => [
      event.atMs,
      event.kind,
      String(event.attempt),
      event.workerId ?? '',
      [event.code, event.message].filter((part) => part !== null).join(': '),
    ]),
  ];
  if (task.cancelRequestedAt !== undefined) {
    const why = `by ${task.cancelRequestedBy ?? 'nobody'}, request ${cancelRequestId ?? 'unknown'}`;
    told.push([task.cancelRequestedAt.getTime(), 'cancel_requested', '', '', why]);
  }
  const inOrder = told.map((line, i) => ({ line, i })).sort((a, b) => a.line[0] - b.line[0] || a.i - b.i);
  return [
    ...table(undefined, [
      ['task', task.id],
      ['status', statusOf(task)],
      ['circuit', `${task.circuitId}, leaf ${task.leafIndex}`],
      ['tree', task.treeId],
      ['owner', task.owner],
      ['priority', String(task.priority)],
      ...(task.resubmittedFrom === undefined ? [] : [['repeats', task.resubmittedFrom]]),
      ...resubmittedAs.map((id) => ['repeated by', id]),
    ]),
    '',
    ...table(
      ['AT', 'WHAT', 'ATTEMPT', 'WORKER', 'WHY'],
      inOrder.map(({ line: [atMs, ...cells] }) => [new Date(atMs).toISOString(), ...cells]),
    ),
  ];
}
