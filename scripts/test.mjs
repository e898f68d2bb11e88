/**
 * `npm test` and `npm run test:full`.
 *
 * Quick tests are `test/**\/*.test.ts`; slow ones end in `.slow.test.ts` and run with --full. A test that needs a
 * server starts it. Those that start many processes, and those that measure time, run one after the other.
 * `npm test -- gateway store` runs only the files whose path contains one of the words.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { bootstrap, filesUnder, ROOT } from './bootstrap.mjs';

/** One file at a time, after the others: */
const ALONE = [
  // Whole networks of processes, which are told apart from dead ones by time.
  /^test\/(hostile|scenarios|soak|endurance|launch|bench|readme|raft\/processes)\//,
  /^test\/docker\/containers\.slow\./,
  // What takes how long, which neighbours would change.
  /^test\/(worker\/heartbeats|coordinator\/verification-load|prover\/prepare-key|raft\/sim\/simulation)\.slow\./,
];
const isAlone = (path) => ALONE.some((pattern) => pattern.test(path));

const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const full = process.argv.includes('--full');
bootstrap((line) => process.stderr.write(`${line}\n`));

const files = filesUnder('test')
  .filter((path) => path.endsWith('.test.ts') && (full || !path.endsWith('.slow.test.ts')))
  .filter((path) => words.length === 0 || words.some((word) => path.includes(word)));
if (files.length === 0) {
  process.stderr.write(`No test file matches ${words.join(', ')}.\n`);
  process.exit(2);
}
const together = files.filter((path) => !isAlone(path));
const alone = files.filter(isAlone);
const codes = [];
let stopped = false;
for (const [paths, concurrency] of [
  [together, Math.max(1, Math.min(4, availableParallelism()))],
  [alone, 1],
]) {
  if (paths.length > 0 && !stopped) codes.push(await run(paths, concurrency));
}
process.exit(codes.find((code) => code !== 0) ?? 0);

function run(paths, concurrency) {
  const args = ['--import', 'tsx', '--test', `--test-concurrency=${concurrency}`, '--test-reporter=spec', ...paths];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  const stop = (signal) => {
    stopped = true;
    child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      for (const one of ['SIGINT', 'SIGTERM']) process.off(one, stop);
      resolve(signal ? 1 : (code ?? 1));
    });
  });
}
