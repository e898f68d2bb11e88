/**
 * Copies of this tree with a patch in them, for scripts that show what a known mistake would do.
 *
 * A copy lies in a folder of its own under the system's temporary one, has the packages linked, and is removed when the
 * work is done, when this process ends, and when a signal ends it. The tree itself is never touched.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from './bootstrap.mjs';

export const MUTANTS = join(ROOT, 'test/raft/mutants');
/** What Raft's nodes and their simulation are made of. */
const RAFT = ['src/raft', 'src/common', 'package.json', 'tsconfig.json'];
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** What must not outlive this process: folders to remove, and more that others have to end. */
const endings = new Set();

/** Calls `work`, which must not wait, when this process ends, by a signal too; says how to call that off. */
export function atTheEnd(work) {
  if (endings.size === 0) {
    process.on('exit', endAll);
    for (const signal of SIGNALS) process.on(signal, endBySignal);
  }
  endings.add(work);
  return () => {
    endings.delete(work);
    if (endings.size > 0) return;
    process.off('exit', endAll);
    for (const signal of SIGNALS) process.off(signal, endBySignal);
  };
}

function endAll() {
  for (const work of [...endings].reverse()) work();
}

function endBySignal(signal) {
  process.exit(128 + constants.signals[signal]);
}

/** An empty folder, gone after `remove()` or with this process. */
export function scratchFolder(name) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `zkraft-${name}-`)));
  const drop = () => rmSync(folder, { recursive: true, force: true });
  const callOff = atTheEnd(drop);
  return {
    folder,
    remove: () => {
      drop();
      callOff();
    },
  };
}

/** The tracked files and new ones that are not ignored, with the packages linked. */
export function copyTree(tree) {
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (listed.status !== 0) throw new Error(`git ls-files failed: ${listed.stderr || listed.error?.message}`);
  for (const path of new Set(listed.stdout.split('\0').filter((name) => name !== ''))) {
    const from = join(ROOT, path);
    if (!existsSync(from) || !lstatSync(from).isFile()) continue;
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    copyFileSync(from, join(tree, path));
  }
  linkPackages(tree);
  return tree;
}

function linkPackages(tree) {
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(tree, 'node_modules'));
}

/** Puts the patch into a copy. `refused`: why it did not apply. `restore` brings the files back as they are here. */
export function applyPatch(tree, patch) {
  const touched = [...readFileSync(patch, 'utf8').matchAll(/^\+\+\+ b\/(\S+)/gm)].map((match) => match[1]);
  const { status, stderr, error } = spawnSync('git', ['apply', patch], {
    cwd: tree,
    encoding: 'utf8',
    env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(tree) },
  });
  return {
    refused: status === 0 ? undefined : stderr || error?.message || `git apply ended with ${status}`,
    restore: () => {
      for (const path of touched) copyFileSync(join(ROOT, path), join(tree, path));
    },
  };
}

/** As `test/raft/mutants/README.md` shows them. */
export const mutantList = () => JSON.parse(readFileSync(join(MUTANTS, 'mutants.json'), 'utf8')).mutants;

/**
 * Gives `work` the root of a copy of Raft with this mistake in it, and removes the copy afterwards. Throws when no mutant
 * has this name, or when its patch does not apply any more.
 */
export async function withMutant(name, work) {
  const mutants = mutantList();
  const mutant = mutants.find(({ id }) => id === name);
  if (mutant === undefined) {
    throw new Error(`no mutant is called "${name}"; there are: ${mutants.map(({ id }) => id).join(', ')}`);
  }
  const scratch = scratchFolder('mutant');
  try {
    const root = join(scratch.folder, 'tree');
    for (const path of RAFT) cpSync(join(ROOT, path), join(root, path), { recursive: true });
    linkPackages(root);
    const { refused } = applyPatch(root, join(MUTANTS, mutant.patch));
    if (refused !== undefined) throw new Error(`${mutant.patch} does not apply any more: ${refused}`);
    return await work(root);
  } finally {
    scratch.remove();
  }
}
