/**
 * How a thread finds its file, whether zkraft runs from dist/*.js or from the sources under tsx.
 *
 * `new URL('./x.ts', import.meta.url)` is not rewritten by the compiler, so the extension is taken from the module that
 * asks. And tsx registers itself in the main thread alone: a thread that runs from sources has to do it again.
 */
export function siblingModule(moduleUrl: string, name: string): URL {
  return new URL(`./${name}${moduleUrl.endsWith('.ts') ? '.ts' : '.js'}`, moduleUrl);
}

/**
 * Node's arguments for a thread whose entry is `file`. Never those of the process: flags of a test run or a debugger
 * are refused by threads, and tsx's own would load the entry as CommonJS.
 */
export function threadExecArgv(file: URL): string[] {
  if (!file.pathname.endsWith('.ts')) return [];
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  return ['--import', `data:text/javascript,${encodeURIComponent(`import { register } from ${loader}; register();`)}`];
}
