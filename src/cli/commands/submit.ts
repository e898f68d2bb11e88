/** `zkraft submit`: Merkle tasks to a gateway, and their proofs back. */
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import type { Client, Task } from '../../client/index.ts';
import { makeFolder, parseDurationMs } from '../../common/index.ts';
import { parseDepths, parseIndices, readLeaves, writeJson, writeOut } from '../inputs.ts';
import { run } from '../run.ts';

interface Args {
  readonly json: boolean;
  readonly url: string;
  readonly leaves: string;
  readonly index: string;
  readonly depth?: string;
  readonly priority?: number;
  readonly 'external-hash'?: string;
  readonly fresh: boolean;
  readonly wait: boolean;
  readonly timeout: string;
  readonly out?: string;
}

const text = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

export const submit: CommandModule<object, Args> = {
  command: 'submit',
  describe: 'Submits Merkle tasks to a gateway and waits for the proofs',
  builder: (yargs) =>
    yargs
      .option('url', {
        ...text('Gateway; else ZKRAFT_URL'),
        default: process.env.ZKRAFT_URL ?? 'http://127.0.0.1:8080',
      })
      .option('leaves', { ...text('Leaves: a JSON array of strings, or one a line'), demandOption: true })
      .option('index', { ...text('Index of the leaf to prove, or several: 0,3,5..9'), demandOption: true })
      .option('depth', text('Depth of the tree; else the gateway chooses'))
      .option('priority', { type: 'number', describe: '0 (least) to 9' })
      .option('external-hash', text('Field element that the proof is bound to'))
      .option('fresh', {
        type: 'boolean',
        default: false,
        describe: 'A new task even if the same request is there already',
      })
      .option('wait', {
        type: 'boolean',
        default: true,
        describe: 'Waits for the proofs; --no-wait prints the task ids',
      })
      .option('timeout', { ...text('Give up waiting after this time'), default: '10m' })
      .option('out', text('Folder for TASK_ID/proof.json, public.json and verification_key.json'))
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .epilogue('An API key is read from ZKRAFT_API_KEY.')
      .example('$0 submit --leaves examples/leaves.json --index 0,3,5..9 --out ./proofs', 'Seven tasks over one tree'),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      const apiKey = process.env.ZKRAFT_API_KEY;
      const { createClient } = await import('../../client/index.ts');
      const client = createClient({ url: argv.url, ...(apiKey ? { apiKey } : {}) });
      const leaves = await readLeaves(argv.leaves);
      const indices = parseIndices(argv.index, 'index');
      const timeoutMs = parseDurationMs(argv.timeout, 'timeout');
      const [depth] = argv.depth === undefined ? [] : parseDepths(argv.depth, 'depth');
      const common = {
        leaves,
        fresh: argv.fresh,
        ...(depth === undefined ? {} : { depth }),
        ...(argv.priority === undefined ? {} : { priority: argv.priority }),
        ...(argv['external-hash'] === undefined ? {} : { externalHash: argv['external-hash'] }),
      };
      const submitted = [];
      for (const leafIndex of indices)
        submitted.push(await client.submitMerkleTask({ ...common, leafIndex }, { signal }));
      if (!argv.wait) {
        terminal.answer(
          {
            success: true,
            tasks: submitted.map((s, i) => ({ leaf_index: indices[i], task_id: s.taskId, status: s.status })),
          },
          submitted.map((s, i) => `leaf ${indices[i]}  ${s.taskId}  ${s.status}`),
        );
        return 0;
      }
      const progress = terminal.progress('Proofs');
      try {
        let done = 0;
        const tasks = await Promise.all(
          submitted.map(async (s) => {
            const task = await client.waitForTask(s.taskId, { signal, timeoutMs });
            done += 1;
            progress.update(done / submitted.length, `${done} of ${submitted.length}`);
            if (argv.out !== undefined && task.status === 'completed') await save(argv.out, task, client);
            return task;
          }),
        );
        progress.stop();
        const completed = tasks.filter((task) => task.status === 'completed').length;
        terminal.answer(
          { success: completed === tasks.length, tasks: tasks.map((t, i) => ({ leaf_index: indices[i], ...t.raw })) },
          [
            ...tasks.map((t, i) => `leaf ${indices[i]}  ${t.taskId}  ${t.status}${t.error ? `  ${t.error}` : ''}`),
            `${completed} of ${tasks.length} proved.${argv.out === undefined ? '' : ` Written to ${resolve(argv.out)}.`}`,
          ],
        );
        return completed === tasks.length ? 0 : 1;
      } finally {
        progress.stop();
      }
    }),
};

async function save(out: string, task: Task, client: Client): Promise<void> {
  const verificationKey = await client.verificationKey(task.circuitId);
  await writeOut(out, async (dir) => {
    const own = join(dir, task.taskId);
    await makeFolder(own);
    await writeJson(join(own, 'proof.json'), task.proof);
    await writeJson(join(own, 'public.json'), task.publicSignals);
    await writeJson(join(own, 'verification_key.json'), verificationKey);
  });
}
