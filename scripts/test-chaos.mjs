/**
 * `npm run chaos -- --minutes M --seed N`: steady tasks, while every process of a network is killed, paused, restarted, and
 * coordinators are cut off from one another. See test/scenarios/README.md.
 */
import { spawn } from 'node:child_process';
import { bootstrap, ROOT } from './bootstrap.mjs';

bootstrap((line) => process.stderr.write(`${line}\n`));
const args = ['--import', 'tsx', 'test/scenarios/chaos-main.ts', ...process.argv.slice(2)];
// A process group of its own: Ctrl-C reaches this process alone, which then tells it once.
const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
