/** Runs the built command line as a user does. `npm test` builds it first. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON. */
  json(): Record<string, unknown>;
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  if (!existsSync(MAIN)) throw new Error('dist/ is not built; npm run build');
  return spawn(process.execPath, [MAIN, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}

export async function zkraft(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = start(args, env);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  const code = await new Promise<number | null>((done, fail) => {
    child.on('close', done);
    child.on('error', fail);
  });
  const stdout = Buffer.concat(out).toString();
  return {
    code,
    stdout,
    stderr: Buffer.concat(err).toString(),
    json: () => JSON.parse(stdout) as Record<string, unknown>,
  };
}

export interface DevProcess {
  readonly pid: number;
  readonly ready: Readonly<Record<string, string>>;
  readonly gatewayUrl: string;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; ms: number }>;
}

/** `zkraft dev --json` on free ports, ready. Rejects with what it said when it ends before. */
export async function startDev(dataDir: string, more: readonly string[] = [], depths = '4,8'): Promise<DevProcess> {
  const ports = ['server-port', 'coordinator-grpc-port', 'coordinator-http-port', 'metrics-port'].flatMap((flag) => [
    `--${flag}`,
    '0',
  ]);
  const child = start(['dev', '--json', '--data-dir', dataDir, '--depths', depths, ...ports, ...more], {});
  const said: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const exited = new Promise<number | null>((done) => child.on('exit', (code) => done(code)));
  const ready = await new Promise<Record<string, string>>((done, fail) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      said.push(line);
      const event = JSON.parse(line.startsWith('{"') ? line : '{}') as Record<string, string>;
      if (event.event === 'ready') done(event);
    });
    void exited.then((code) => fail(new Error(`zkraft dev ended with ${code}:\n${said.join('\n')}`)));
  });
  return {
    pid: child.pid as number,
    ready,
    gatewayUrl: ready.gateway_url as string,
    stop: async (signal = 'SIGINT') => {
      const begun = performance.now();
      child.kill(signal);
      const code = await exited;
      return { code, ms: performance.now() - begun };
    },
  };
}

export interface ServiceProcess {
  readonly pid: number;
  /** What it said when it was ready: its addresses by role, `http` and `grpc`. */
  readonly ready: Readonly<Record<string, string>>;
  /** Sends the signal and waits for the end, ten seconds at most. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

const SERVICE_READY_MS = 60_000;

/** `zkraft gateway`, `coordinator` or `worker` with `--json`, ready. Rejects with what it said when it ends before. */
export async function startService(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ServiceProcess> {
  const child = start([command, '--json', ...args], env);
  const said: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const exited = new Promise<number | null>((done) => child.on('exit', (code) => done(code)));
  let timer: NodeJS.Timeout | undefined;
  try {
    const ready = await new Promise<Record<string, string>>((done, fail) => {
      timer = setTimeout(() => fail(new Error(`zkraft ${command} was not ready in time`)), SERVICE_READY_MS);
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        said.push(line);
        const event = JSON.parse(line.startsWith('{"') ? line : '{}') as Record<string, string>;
        if (event.event === 'ready') done(event);
      });
      void exited.then((code) => fail(new Error(`zkraft ${command} ended with ${code}:\n${said.join('\n')}`)));
    });
    return {
      pid: child.pid as number,
      ready,
      stop: async (signal = 'SIGTERM') => {
        child.kill(signal);
        const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
        const code = await exited;
        clearTimeout(late);
        return code;
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
