/**
 * Makes the reference pages in docs/reference from the code, the table of Raft's mutants from their list, and the README's
 * figures from bench/results: `npm run gen:docs`.
 *
 * `--check` compares instead of writing and exits 1 when a page is stale; a test does the same.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readmePage } from './docs/bench-table.ts';
import { commandsPage } from './docs/commands.ts';
import { errorsPage } from './docs/errors.ts';
import { httpPage } from './docs/http.ts';
import { metricsPage } from './docs/metrics.ts';
import { mutantsPage } from './docs/mutants.ts';
import { settingsPage } from './docs/settings.ts';
import { trapsPage } from './docs/traps.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Every generated page by its path from the root. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/settings.md', settingsPage()],
    ['docs/reference/commands.md', commandsPage()],
    ['docs/reference/metrics.md', await metricsPage()],
    ['docs/reference/http.md', await httpPage()],
    ['docs/reference/traps.md', trapsPage()],
    ['test/raft/mutants/README.md', mutantsPage()],
    ['README.md', readmePage()],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check');
  let stale = 0;
  for (const [path, text] of await pages()) {
    const file = join(ROOT, path);
    mkdirSync(dirname(file), { recursive: true });
    if (!check) writeFileSync(file, text);
    else if (readFileSync(file, 'utf8') !== text) {
      stale += 1;
      process.stderr.write(`${path} is stale: npm run gen:docs\n`);
    }
  }
  process.exit(stale === 0 ? 0 : 1);
}
