/**
 * Brings a fresh clone to the point where it can run: packages installed, TypeScript built.
 *
 * Runs on bare Node, so it imports nothing but Node's own modules. Both steps are skipped when a stamp says that what
 * they are made from has not changed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const INSTALL_STAMP = join(ROOT, 'node_modules', '.zkraft-install');
const BUILD_STAMP = join(ROOT, 'dist', '.zkraft-build');

/** Ends the process with a message when this Node is too old. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  process.stderr.write(`zkraft needs Node 20.19 or newer; this is ${process.version}.\n`);
  process.exit(1);
}

/** Installs what package-lock.json names, unless that was done already. `say` is told what takes long. */
export function ensureInstalled(say = () => {}) {
  const wanted = digest(['package.json', 'package-lock.json']);
  if (stampIs(INSTALL_STAMP, wanted)) return;
  if (isLink(join(ROOT, 'node_modules'))) {
    process.stderr.write('node_modules is a link and out of date: install where it points to. Nothing was changed.\n');
    process.exit(1);
  }
  say('Installing packages (once; about a minute)...');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts']);
  writeFileSync(INSTALL_STAMP, wanted);
}

/** Builds dist/ unless it is made from just these sources. */
export function ensureBuilt(say = () => {}) {
  const sources = [...filesUnder('src'), ...filesUnder('bench').filter((path) => path.endsWith('.ts'))];
  const wanted = digest([
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/lift-build.mjs',
    'scripts/copy-assets.mjs',
    ...sources,
  ]);
  if (stampIs(BUILD_STAMP, wanted)) return;
  say('Building...');
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  run('npm', ['run', '--silent', 'build']);
  writeFileSync(BUILD_STAMP, wanted);
}

export function bootstrap(say) {
  requireNode();
  ensureInstalled(say);
  ensureBuilt(say);
}

export function filesUnder(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length + 1))
    .sort();
}

function digest(paths) {
  const hash = createHash('sha256').update(process.versions.modules);
  for (const path of paths)
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(join(ROOT, path)))
      .update('\0');
  return hash.digest('hex');
}

function isLink(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function stampIs(path, wanted) {
  return existsSync(path) && readFileSync(path, 'utf8') === wanted;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  process.stderr.write(
    `${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ` (exit code ${status})`}.\n`,
  );
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) bootstrap((line) => process.stdout.write(`${line}\n`));
