/** `zkraft tree`: Merkle trees of files of leaves, on this machine: what they come to, and paths in them. */
import { resolve } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { ZkraftError } from '../../common/index.ts';
import type { MerkleTree } from '../../prover/index.ts';
import { parseIndex, writeJson, writeOut } from '../inputs.ts';
import { type CommandContext, run } from '../run.ts';

interface Args {
  readonly leaves: string;
  readonly depth?: string;
  readonly threads?: string;
  readonly out?: string;
  readonly json: boolean;
}

interface PathArgs extends Args {
  readonly index: string;
}

const text = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

const common = <T>(yargs: Argv<T>) =>
  yargs
    .option('leaves', { ...text('File of leaves: a JSON array of strings, or one a line'), demandOption: true })
    .option('depth', text('Depth of the tree; else 8 if the leaves fit, else the smallest of 8, 16, 20, 32 that does'))
    .option('threads', text('Threads to hash in, 0 to 64; 0: in the main one [default: all cores]'))
    .option('out', text('File that gets what --json prints'))
    .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' });

const build: CommandModule<object, Args> = {
  command: 'build',
  describe: 'Builds a tree and says what it is: leaves, depth, root, and how long it took',
  builder: (yargs) =>
    common(yargs).example('$0 tree build --leaves examples/leaves.json --depth 20', 'The root, and how long it took'),
  handler: (argv) =>
    run(argv.json, async (context) => {
      const beganAtMs = performance.now();
      const tree = await buildTree(argv, context);
      const seconds = (performance.now() - beganAtMs) / 1000;
      const value = { success: true, ...summaryOf(tree), seconds: Number(seconds.toFixed(3)) };
      await answer(argv, context, value, [
        `${tree.leafCount} leaves, depth ${tree.depth}, in ${seconds.toFixed(2)} s`,
        `Root: ${tree.root}`,
      ]);
      return 0;
    }),
};

const root: CommandModule<object, Args> = {
  command: 'root',
  describe: 'Prints the root of a tree',
  builder: (yargs) => common(yargs).example('$0 tree root --leaves examples/leaves.json --depth 20', 'A number alone'),
  handler: (argv) =>
    run(argv.json, async (context) => {
      const tree = await buildTree(argv, context);
      await answer(argv, context, { success: true, ...summaryOf(tree) }, [tree.root.toString()]);
      return 0;
    }),
};

const path: CommandModule<object, PathArgs> = {
  command: 'path',
  describe: 'Prints the path of a leaf: its siblings from the leaf up, as the Merkle circuit takes them',
  builder: (yargs) =>
    common(yargs)
      .option('index', { ...text('Index of the leaf, from 0'), demandOption: true })
      .example('$0 tree path --leaves examples/leaves.json --index 3 --json', 'Leaf, siblings, path bits, root'),
  handler: (argv) =>
    run(argv.json, async (context) => {
      const index = parseIndex(argv.index, 'index');
      const tree = await buildTree(argv, context);
      const { siblings } = tree.path(index);
      const { indexBits } = await import('../../prover/index.ts');
      const value = {
        success: true,
        ...summaryOf(tree),
        leaf_index: index,
        leaf: tree.leaf(index).toString(),
        siblings: siblings.map(String),
        path_bits: indexBits(index, siblings.length),
      };
      await answer(argv, context, value, [
        `Leaf ${index}: ${value.leaf}`,
        ...value.siblings.map((sibling, height) => `  ${String(height).padStart(2)}  ${sibling}`),
        `Root: ${value.root}`,
      ]);
      return 0;
    }),
};

export const tree: CommandModule = {
  command: 'tree',
  describe: 'Builds Merkle trees of up to 2^24 leaves: roots and paths',
  builder: (yargs) =>
    yargs
      .command(build)
      .command(root)
      .command(path)
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .demandCommand(1, 'Name what to do; zkraft tree --help lists it.')
      .example('$0 tree root --leaves examples/leaves.json', 'The root of twelve leaves'),
  handler: () => {},
};

const summaryOf = (made: MerkleTree) => ({
  depth: made.depth,
  leaf_count: made.leafCount,
  root: made.root.toString(),
});

async function buildTree(argv: Args, { terminal, signal }: CommandContext): Promise<MerkleTree> {
  const depth = whole(argv.depth, 'depth', 'invalid_depth', 'from 1 to 32');
  const threads = whole(argv.threads, 'threads', 'usage', 'from 0 to 64');
  const { LeafFile, MerkleTree } = await import('../../prover/index.ts');
  const progress = terminal.progress('Tree');
  let fraction = 0;
  const leaves = new LeafFile(resolve(argv.leaves), {
    name: `--leaves ${argv.leaves}`,
    onRead: (bytes, bytesTotal) => {
      fraction = bytes / bytesTotal;
    },
  });
  try {
    return await MerkleTree.build({
      leaves,
      signal,
      ...(depth === undefined ? {} : { depth }),
      ...(threads === undefined ? {} : { threads }),
      // What is read is soon hashed: the reader is kept a few blocks ahead.
      onProgress: ({ leavesRead, leavesHashed }) =>
        progress.update(fraction * (leavesHashed / Math.max(1, leavesRead)), `${leavesHashed} leaves`),
    });
  } finally {
    progress.stop();
  }
}

function whole(
  given: string | undefined,
  flag: string,
  code: 'usage' | 'invalid_depth',
  range: string,
): number | undefined {
  if (given === undefined) return undefined;
  if (/^\d{1,3}$/.test(given)) return Number(given);
  throw new ZkraftError(code, `--${flag} ${given} is not a whole number ${range}`, { field: flag });
}

async function answer(
  { out }: Args,
  { terminal }: CommandContext,
  value: Readonly<Record<string, unknown>>,
  lines: readonly string[],
): Promise<void> {
  if (out !== undefined) await writeOut(out, (path) => writeJson(path, value, 2));
  terminal.answer(value, lines);
}
