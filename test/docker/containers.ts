/**
 * What Docker does with an image and a service of the compose file, without Docker: a folder that holds what the image's
 * last stage copies and no more, and in it the image's own command, as the image's user, with the service's environment.
 *
 * What differs is what there is one of here: addresses and ports, and the places of secrets and volumes. Those are all
 * that is put in the place of something else.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { ROOT } from '../support/cli.ts';
import { type Compose, type Service, secretsOf } from './compose.ts';
import { type CopyLine, copyOf, type Image, imageOf, readStages } from './dockerfile.ts';
import { relocated } from './secrets.ts';

/** Where the pieces of a run are kept. All may look into it, as the user of the images is not the one who runs tests. */
export interface Machine {
  readonly dir: string;
  /** The folder of the images: all three have the same. */
  readonly tree: string;
  readonly secrets: string;
  readonly node: string;
}

export interface Ended {
  readonly code: number | null;
  readonly said: string;
}

export interface RunningContainer {
  readonly name: string;
  /** Its HEALTHCHECK, at the port that it has here. */
  health(): Ended;
  /** Another command in it, as `docker compose exec` runs one. */
  exec(args: readonly string[]): Ended;
  /** As `docker stop`: SIGTERM, and SIGKILL after the grace period. */
  stop(): Promise<Ended & { readonly ms: number }>;
  said(): string;
  hasEnded(): boolean;
}

const isRoot = process.getuid?.() === 0;

export function makeMachine(): Machine {
  const dir = mkdtempSync(join(tmpdir(), 'zkraft-containers-'));
  chmodSync(dir, 0o755);
  const machine = { dir, tree: join(dir, 'tree'), secrets: join(dir, 'made-secrets'), node: join(dir, 'node') };
  copyFileSync(process.execPath, machine.node);
  chmodSync(machine.node, 0o755);
  const built = join(dir, 'build');
  buildIn(built);
  for (const copy of imageOf('coordinator').copies) copyInto(machine.tree, copy, built);
  rmSync(built, { recursive: true });
  return machine;
}

/** The stage `build`: what it copies, and no more, and then its last command. The packages are those of this clone. */
function buildIn(dir: string): void {
  const instructions = readStages().find(({ name }) => name === 'build')?.instructions ?? [];
  for (const copy of instructions.filter((one) => one.getKeyword() === 'COPY')) copyInto(dir, copyOf(copy), dir);
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  const run = instructions.findLast((one) => one.getKeyword() === 'RUN')?.getArgumentsContent() ?? '';
  const { status, stdout, stderr } = spawnSync('sh', ['-c', run], { cwd: dir, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${run} ended with ${status}: ${stdout}${stderr}`);
}

/** One COPY of the Dockerfile; `built` is the folder of the stage `build`. */
function copyInto(tree: string, { from, sources, target }: CopyLine, built: string): void {
  if (from === 'packages') {
    copyPackages(join(tree, target));
    return;
  }
  const isFolder = /(^|\/)\.?\/?$/.test(target) || sources.length > 1;
  for (const source of sources) {
    const path = from === 'build' ? join(built, source.replace('/build/', '')) : join(ROOT, source);
    const to = isFolder ? join(tree, target, basename(source)) : join(tree, target);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(path, to, { recursive: true });
  }
}

/** The packages that the `npm ci` of the stage `packages` leaves: those that its --omit does not name. */
export function packagesOf(lock: Readonly<Record<string, object>>, run: string): string[] {
  const omitted = [...run.matchAll(/--omit=(\w+)/g)].map((match) => match[1]);
  return Object.entries(lock)
    .filter(
      ([path, flags]) =>
        /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && !omitted.some((flag) => flag && flag in flags),
    )
    .filter(([, flags]) => !('devOptional' in flags))
    .map(([path]) => path);
}

function copyPackages(to: string): void {
  const stage = readStages().find(({ name }) => name === 'packages');
  const run = stage?.instructions.find((one) => one.getKeyword() === 'RUN')?.getArgumentsContent() ?? '';
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, object>;
  };
  for (const path of packagesOf(packages, run)) {
    const place = join(dirname(to), path);
    mkdirSync(dirname(place), { recursive: true });
    // Linked where the file system is the same, which is quicker by far.
    for (const flags of ['-al', '-a']) if (spawnSync('cp', [flags, join(ROOT, path), place]).status === 0) break;
    if (!existsSync(place)) throw new Error(`${path} could not be copied`);
  }
}

export interface ContainerOptions {
  readonly machine: Machine;
  readonly compose: Compose;
  readonly service: string;
  /** What stands in an environment's values, to what stands for it here: addresses. */
  readonly addresses: ReadonlyMap<string, string>;
  /** More variables, for ports. */
  readonly env?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** Port of the health routes. */
  readonly healthPort?: number;
  /** Whether it has a /tmp to write into. */
  readonly tmp?: boolean;
}

/** Starts a service of the compose file. */
export function startContainer(options: ContainerOptions): RunningContainer & { readonly ended: Promise<Ended> } {
  const { machine, compose, service: name, command } = options;
  const service = compose.services[name];
  if (service === undefined) throw new Error(`no service is called ${name}`);
  const image = imageOf(service.build?.target ?? '');
  const env = environment(options, service, image);
  const args = [...image.entrypoint.slice(1), ...(command ?? service.command ?? image.cmd)];
  const place = { cwd: machine.tree, env, ...owner(image) };

  const child: ChildProcess = spawn(machine.node, args, { ...place, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      text = `${text}${chunk}`.slice(-100_000);
    });
  }
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, said: text }));
    child.on('error', (error) => resolve({ code: null, said: `${text}${error.message}` }));
  });
  const runBeside = (words: readonly string[]): Ended => {
    const { status, stdout, stderr, error } = spawnSync(machine.node, words, {
      ...place,
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { code: status, said: `${stdout}${stderr}${error?.message ?? ''}` };
  };
  return {
    name,
    ended,
    said: () => text,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    health: () => {
      const [, program = '', url = ''] = image.healthcheck;
      return runBeside([program, url.replace(/:\d+\//, `:${options.healthPort}/`)]);
    },
    exec: (more) => runBeside([...image.entrypoint.slice(1), ...more]),
    stop: async () => {
      const begun = performance.now();
      child.kill(image.stopSignal as NodeJS.Signals);
      const graceMs = Number.parseInt(service.stop_grace_period ?? '', 10) * 1_000;
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      const end = await ended;
      clearTimeout(timer);
      return { ...end, ms: performance.now() - begun };
    },
  };
}

function environment(options: ContainerOptions, service: Service, image: Image): Record<string, string> {
  const { machine, compose, service: name } = options;
  const places = new Map<string, string>();
  const secrets = join(machine.dir, 'run', name, 'secrets');
  for (const [inside, file] of secretsOf(compose, service)) {
    const to = join(secrets, basename(inside));
    mkdirSync(secrets, { recursive: true });
    // With the permissions of the file: it is mounted, not handed out.
    copyFileSync(join(machine.secrets, file.replace('./secrets/', '')), to);
    places.set(inside, to);
  }
  for (const path of ['/var/lib/zkp/data', '/var/lib/zkp/raft']) {
    const volume = service.volumes?.find((one) => one.endsWith(`:${path}`))?.split(':')[0];
    // Without a volume it is on the root file system, which is read-only.
    const to = volume === undefined ? join(machine.dir, 'read-only') : join(machine.dir, 'volumes', volume);
    if (volume !== undefined) makeOwned(to, image);
    places.set(path, to);
  }
  const tmp = options.tmp === true ? join(machine.dir, 'run', name, 'tmp') : join(machine.dir, 'no-tmp');
  if (options.tmp === true) makeOwned(tmp, image);
  const values = Object.entries({ ...image.env, ...service.environment }).map(([key, value]) => {
    const here = [...options.addresses].reduce((text, [from, to]) => text.replaceAll(from, to), value);
    return [key, here];
  });
  return { TMPDIR: tmp, ...relocated(Object.fromEntries(values), places), ...options.env };
}

function makeOwned(dir: string, image: Image): void {
  mkdirSync(dirname(dir), { recursive: true });
  if (!existsSync(dir)) mkdirSync(dir, { mode: 0o750 });
  const { uid, gid } = owner(image);
  if (uid !== undefined && gid !== undefined) chownSync(dir, uid, gid);
}

/** The image's user, for whoever may become another. */
function owner({ user }: Image): { readonly uid?: number; readonly gid?: number } {
  const [uid, gid] = user.split(':').map(Number);
  return isRoot && uid !== undefined && gid !== undefined ? { uid, gid } : {};
}

/** Free ports of this machine. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
