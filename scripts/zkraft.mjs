/** `npm run -s zkraft -- ...`: the command line of this clone, built first if need be. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bootstrap, ROOT } from './bootstrap.mjs';

bootstrap((line) => process.stderr.write(`${line}\n`));
await import(pathToFileURL(join(ROOT, 'dist', 'cli', 'main.js')).href);
