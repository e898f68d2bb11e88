/**
 * `npm run test:mutants`: breaks one promise of Raft after the other, and demands that a test of the units goes red.
 *
 * test/raft/mutants/mutants.json names for each mutant a patch, a test file, a test and what that test must say; how it
 * is run is said in `red-tests.mjs`. `npm run test:mutants -- WORD` runs those whose id, test or patch contains WORD;
 * `--verbose` shows what each test said. Exits 1 when a mutant stays green or a patch no longer applies. The simulation
 * is tried on the same patches, through `withMutant`.
 */
import { demandRed } from './red-tests.mjs';
import { MUTANTS, mutantList } from './scratch-tree.mjs';

await demandRed(
  'mutant',
  MUTANTS,
  mutantList().map(({ id, patch, caughtBy }) => ({ id, patch, ...caughtBy })),
);
