/**
 * `npm run test:traps`: puts each known trap back and demands that its test goes red.
 *
 * test/traps/traps.json names for each trap a patch, a test file, a test and what that test must say. The tree is copied
 * into scratch folders; there each named test must be green as the tree is, and red with the patch, by its own failure
 * and not by a file that does not load. `npm run test:traps -- WORD` runs the traps whose id, test or patch contains
 * WORD; `--verbose` shows what each test said. Exits 1 when a trap stays green or a patch no longer applies.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './bootstrap.mjs';
import { demandRed } from './red-tests.mjs';

const folder = join(ROOT, 'test/traps');
const { traps } = JSON.parse(readFileSync(join(folder, 'traps.json'), 'utf8'));
await demandRed('trap', folder, traps);
