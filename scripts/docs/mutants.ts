import { readFileSync } from 'node:fs';
import { page, table } from './page.ts';

/** What `test/raft/mutants/mutants.json` holds. */
export interface MutantList {
  readonly mutants: readonly {
    readonly id: string;
    readonly patch: string;
    /** What goes wrong with it. */
    readonly breaks: string;
    /** Where the code has more than one safeguard against it: which ones the patch takes away. */
    readonly alsoRemoved?: string;
    readonly caughtBy: {
      readonly test: string;
      readonly name: string;
      /** A pattern of what the test says when it is red. */
      readonly says: string;
    };
    /** `null` until it was measured. */
    readonly simulation: Found | { readonly notBecause: string } | null;
  }[];
}

export interface Found {
  /** The one that was violated first, as `src/raft/sim` calls it. */
  readonly invariant: string;
  /** Counted from seed 1. */
  readonly withinSeeds: number;
  /** Of each seed. */
  readonly ticks: number;
}

export const mutantList = (): MutantList =>
  JSON.parse(readFileSync(new URL('../../test/raft/mutants/mutants.json', import.meta.url), 'utf8')) as MutantList;

function ofSimulation(found: MutantList['mutants'][number]['simulation']): string {
  if (found === null) return '**not measured yet**';
  if ('notBecause' in found) return `not meant to: ${found.notBecause}`;
  const { invariant, withinSeeds, ticks } = found;
  return `${invariant}, within ${withinSeeds} ${withinSeeds === 1 ? 'seed' : 'seeds'} of ${ticks} ticks`;
}

export function mutantsPage(): string {
  const { mutants } = mutantList();
  return page('Mutants of Raft', '`test/raft/mutants/mutants.json`', [
    'Each patch here breaks one promise of `src/raft`, in the way in which others have broken it. A unit test must go red',
    'by it, and so must the simulation, which runs the same nodes: a test that no mistake can turn red shows nothing.',
    '',
    '`npm run test:mutants` shows the unit tests, green without and red with each patch, in copies of the tree;',
    '`npm run test:mutants -- WORD` runs those whose id, test or patch contains the word, `--verbose` shows what they said.',
    '`npm run sim -- --mutant NAME --seeds 1..60 --ticks 3000` runs the simulation on a copy of Raft with the patch in it.',
    '',
    'Where two safeguards stand against the same mistake, the patch takes both away, for with one of them left nothing',
    'would break. Each of them has a test of its own besides.',
    '',
    'A patch has one line of context. When code moves and it no longer applies, `test/tidy/mutants.test.ts` says so: make',
    'the mistake again by hand, and `git diff -U1` is the new patch.',
    '',
    ...table(
      ['mutant', 'what it breaks', 'safeguards removed', 'caught by the unit test', 'caught by the simulation'],
      mutants.map(({ id, breaks, alsoRemoved, caughtBy, simulation }) => [
        id,
        breaks,
        alsoRemoved ?? 'the only one',
        `\`${caughtBy.test}\`: ${caughtBy.name}`,
        ofSimulation(simulation),
      ]),
    ).slice(0, -1),
  ]);
}
