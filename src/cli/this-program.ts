/** How this program is run once more, for commands that start others of its processes. */
import { fileURLToPath } from 'node:url';

/** Built, it is a file of JavaScript; from source, the loader goes along. */
export function thisProgram(): { readonly command: string; readonly args: readonly string[] } {
  const isSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(isSource ? './main.ts' : './main.js', import.meta.url));
  return { command: process.execPath, args: [...(isSource ? process.execArgv : []), file] };
}
