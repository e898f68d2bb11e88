/** Starts `zkraft dev` on free ports as a child process, and stops it. Used by the demo. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './bootstrap.mjs';

const FREE_PORTS = ['server-port', 'coordinator-grpc-port', 'coordinator-http-port', 'metrics-port'].flatMap((flag) => [
  `--${flag}`,
  '0',
]);

/** Resolves when the network is ready; rejects with the tail of what it said when it ends before. */
export async function startNetwork({ dataDir, depths, onProgress }) {
  const args = [
    join(ROOT, 'dist', 'cli', 'main.js'),
    'dev',
    '--json',
    '--data-dir',
    dataDir,
    '--depths',
    depths,
    ...FREE_PORTS,
  ];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C reaches this process alone, which then stops the network once.
    detached: true,
  });
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  const tail = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line);
    if (tail.length > 20) tail.shift();
  });
  const ready = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = line.startsWith('{') ? JSON.parse(line) : {};
      if (event.event === 'progress') onProgress(event.stage);
      if (event.event === 'ready') resolve(event);
      if (line.includes('"error"')) tail.push(line);
    });
  });
  const first = await Promise.race([ready, exited]);
  if (!first.gateway_url) throw new Error(`the network did not start:\n${tail.join('\n')}`);
  return {
    gatewayUrl: first.gateway_url,
    async stop() {
      child.kill('SIGINT');
      const patience = setTimeout(() => child.kill('SIGKILL'), 30_000);
      const { code, signal } = await exited;
      clearTimeout(patience);
      if (code !== 0) throw new Error(`the network ended with ${signal ?? `exit code ${code}`}:\n${tail.join('\n')}`);
    },
  };
}
