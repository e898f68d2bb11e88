/**
 * `npm run scenarios -- [--full] [--seed N] [WORD ...]`: one fault after another on one network of processes, the short tier
 * or the full one; WORDs choose those whose name has one of them. See test/scenarios/README.md.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { bootstrap, ROOT } from './bootstrap.mjs';

const { values, positionals } = parseArgs({
  options: { full: { type: 'boolean', default: false }, seed: { type: 'string', default: '1' } },
  allowPositionals: true,
});
if (!/^\d{1,9}$/.test(values.seed)) {
  process.stderr.write(`--seed is ${values.seed}; it is a whole number below 1000000000.\n`);
  process.exit(2);
}
bootstrap((line) => process.stderr.write(`${line}\n`));
const args = ['--import', 'tsx', '--test', '--test-reporter=spec', 'test/scenarios/scenarios.slow.test.ts'];
const env = {
  ...process.env,
  ZKRAFT_SCENARIOS: values.full ? 'full' : 'smoke',
  ZKRAFT_SCENARIOS_SEED: values.seed,
  ZKRAFT_SCENARIOS_ONLY: positionals.join(' '),
};
// A process group of its own: Ctrl-C reaches this process alone, which then tells it once.
const child = spawn(process.execPath, args, {
  cwd: ROOT,
  env,
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true,
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
