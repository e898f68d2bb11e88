/** What must hold of patches that put a mistake back, and of the tests that they name. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filesUnder, ROOT, read } from './source-tree.ts';

export const patchesUnder = (folder: string): string[] =>
  filesUnder(folder, '.patch').map((path) => path.slice(folder.length + 1));

/** Those that do not apply, or touch a file that `isOurs` does not know. */
export function brokenPatches(folder: string, patches: readonly string[], isOurs: (path: string) => boolean): string[] {
  return patches.flatMap((patch) => {
    const touched = [...read(`${folder}/${patch}`).matchAll(/^\+\+\+ b\/(\S+)/gm)].map((match) => match[1] as string);
    const { status, stderr } = spawnSync('git', ['apply', '--check', join(folder, patch)], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(ROOT) },
    });
    return status === 0 && touched.length > 0 && touched.every(isOurs)
      ? []
      : [`${patch}: ${stderr || touched.join(', ')}`];
  });
}

interface NamedTest {
  readonly test: string;
  readonly name: string;
}

/** Those whose file does not have a test of this name. */
export function missingTests(tests: readonly NamedTest[]): string[] {
  const missing = tests.filter(({ test, name }) => {
    if (!existsSync(join(ROOT, test))) return true;
    const text = read(test);
    return !["'", '"', '`'].some((quote) => text.includes(`${quote}${name}${quote}`));
  });
  return missing.map(({ test, name }) => `${test}: ${name}`);
}
