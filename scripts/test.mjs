/**
 * `npm test` and `npm run test:full`.
 *
 * Quick tests are `test/**\/*.test.ts`; slow ones end in `.slow.test.ts` and run with --full. A test that needs a
 * server starts it. `npm test -- gateway store` runs only the files whose path contains one of the words.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { bootstrap, filesUnder, ROOT } from './bootstrap.mjs';

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
const concurrency = Math.max(1, Math.min(4, availableParallelism()));
const args = ['--import', 'tsx', '--test', `--test-concurrency=${concurrency}`, '--test-reporter=spec', ...files];
const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
