/** What the tidy tests read: the source files and what they import. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

export interface Import {
  readonly specifier: string;
  /** `import()` and not a static import. */
  readonly dynamic: boolean;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
  /** Path from the root, for relative ones. */
  readonly target: string | undefined;
}

export interface SourceFile {
  /** From the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

export function filesUnder(folder: string, ending = ''): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !path.includes('node_modules/'))
    .sort();
}

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** All that is compiled into the package. */
export function sourceFiles(folders: readonly string[] = ['src', 'bench']): SourceFile[] {
  return folders
    .flatMap((folder) => filesUnder(folder, '.ts'))
    .filter((path) => !path.includes('/gen/') && !path.endsWith('.d.ts'))
    .map((path) => {
      const text = read(path);
      return { path, text, imports: importsOf(path, text) };
    });
}

export const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');

export function importsOf(path: string, text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  const add = (specifier: string, dynamic: boolean, typeOnly: boolean): void => {
    const target = specifier.startsWith('.')
      ? relative(ROOT, resolve(ROOT, dirname(path), specifier)).replaceAll('\\', '/')
      : undefined;
    found.push({ specifier, dynamic, typeOnly, target });
  };
  for (const match of code.matchAll(/^(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'/gm))
    add(match[2] as string, false, match[1] !== undefined);
  for (const match of code.matchAll(/^import\s+'([^']+)'/gm)) add(match[1] as string, false, false);
  for (const match of code.matchAll(/\bimport\(\s*'([^']+)'/g)) add(match[1] as string, true, false);
  for (const match of code.matchAll(/\brequire(?:\.resolve)?\(\s*'([^']+)'/g)) add(match[1] as string, true, false);
  for (const match of code.matchAll(/new URL\(\s*[`']([^'`$]+)/g)) add(match[1] as string, true, false);
  return found;
}

/** `@scope/name/x` and `name/x` without the path inside the package. */
export const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
