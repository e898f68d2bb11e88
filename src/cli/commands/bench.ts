/** `zkraft bench`: how fast this machine is, beside a baseline that runs in turn with it. */
import { resolve } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { writeJson, writeOut } from '../inputs.ts';
import { run } from '../run.ts';
import { settingsFlags, settingsOf } from '../settings-flags.ts';
import type { Terminal } from '../terminal.ts';
import { thisProgram } from '../this-program.ts';

interface Args {
  readonly name: string;
  readonly depth?: string;
  readonly threads?: string;
  readonly runs?: string;
  readonly launches?: string;
  readonly node?: string;
  readonly 'vs-binary'?: string;
  readonly seconds?: string;
  readonly workers?: string;
  readonly history?: string;
  readonly tasks?: string;
  readonly out?: string;
  readonly json: boolean;
}

/** The names of bench/registry.ts, which is only loaded when a bench is run, and those without a baseline. */
const NAMES =
  'prove, prove-throughput, setup, verify, verify-batch, hash, tree, msm, ntt, field, all of these, raft, or cluster';

const text = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

export const bench: CommandModule<object, Args> = {
  command: 'bench <name>',
  describe: 'Measures this machine, with a baseline (snarkjs and what is under it) in turn in the same run',
  builder: (yargs) =>
    (settingsFlags(yargs, ['data']) as Argv<object>)
      .positional('name', { type: 'string', demandOption: true, describe: NAMES })
      .option('depth', text('Depth of the Merkle circuit, 1 to 32 [default: 20]'))
      .option('threads', text('Threads of each side [default: all cores]'))
      .option(
        'runs',
        text('Samples of each side in one launch [default: 3 to 10, as the bench goes]; of raft: kills [50]'),
      )
      .option('launches', text('Times that everything is started afresh [default: 3]'))
      .option('node', text('Node binary to measure under, or several: path,path [default: this one]'))
      .option('vs-binary', text('With prove: a foreign prover, "prover {zkey} {wtns} {proof} {public}"'))
      .option('seconds', text('Of cluster: measured time of each step [default: 15]'))
      .option('workers', text('Of cluster: how many, one step after the other [default: 1,8,64]'))
      .option('history', text('Of cluster: rows of tasks that ended before, one step after the other: 1000,1000000'))
      .option('tasks', text('Of cluster: as many more in a long run, with the memory of each process'))
      .option('out', text('File that gets what --json prints'))
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('$0 bench prove --depth 20', 'One proof on all cores, beside snarkjs')
      .example('$0 bench raft', 'A replicated log of three processes: commits a second, failover, transfer')
      .example('$0 bench cluster', 'Tasks a second through gateway, PostgreSQL, three coordinators, workers')
      .example('$0 bench field --node ~/node24/bin/node --json', 'The kernels under another Node'),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      if (argv.name === 'raft') return await runRaft(argv, terminal, signal);
      if (argv.name === 'cluster') return await runCluster(argv, terminal, signal);
      const { parseBenchOptions, reportLines, runBenches } = await import('../../../bench/index.ts');
      const options = parseBenchOptions(argv.name, argv);
      const dataDir = settingsOf(argv as unknown as Record<string, unknown>).get('data.dir');
      const progress = terminal.progress(`Bench ${argv.name}`);
      try {
        const reports = await runBenches(options, {
          artifactsDir: resolve(dataDir, 'artifacts'),
          signal,
          onProgress: (fraction, stage) => progress.update(fraction, stage),
        });
        progress.stop();
        const answer = reports.length === 1 ? reports[0] : reports;
        if (argv.out !== undefined) await writeOut(argv.out, (path) => writeJson(path, answer, 2));
        terminal.answer(
          answer,
          reports.map((report) => reportLines(report).join('\n')),
        );
        return 0;
      } finally {
        progress.stop();
      }
    }),
};

/** Three processes of a replicated log; --runs is how many leaders are killed, and transfers, at each timeout. */
async function runRaft(argv: Args, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { parseRounds, raftReportLines, runRaftBench } = await import('../../../bench/index.ts');
  const progress = terminal.progress('Bench raft');
  try {
    const report = await runRaftBench({
      rounds: parseRounds(argv.runs),
      signal,
      onProgress: (fraction, stage) => progress.update(fraction, stage),
    });
    progress.stop();
    if (argv.out !== undefined) await writeOut(argv.out, (path) => writeJson(path, report, 2));
    terminal.answer(report, raftReportLines(report));
    return 0;
  } finally {
    progress.stop();
  }
}

async function runCluster(argv: Args, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { clusterReportLines, parseClusterBenchOptions, runClusterBench } = await import('../../../bench/index.ts');
  const options = parseClusterBenchOptions(argv);
  const progress = terminal.progress('Bench cluster');
  try {
    const report = await runClusterBench(options, {
      main: thisProgram(),
      signal,
      onProgress: (fraction, stage) => progress.update(fraction, stage),
    });
    progress.stop();
    if (argv.out !== undefined) await writeOut(argv.out, (path) => writeJson(path, report, 2));
    terminal.answer(report, clusterReportLines(report));
    return 0;
  } finally {
    progress.stop();
  }
}
