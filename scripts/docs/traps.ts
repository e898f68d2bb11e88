import { readFileSync } from 'node:fs';
import { page, table } from './page.ts';

/** What `test/traps/traps.json` holds. */
export interface TrapList {
  readonly traps: readonly {
    readonly id: string;
    readonly section: string;
    /** What goes wrong when it is put back. */
    readonly trap: string;
    /** What holds now. */
    readonly now: string;
    /** The test file, and the name of its test. */
    readonly test: string;
    readonly name: string;
    /** A pattern of what the test says when it is red. */
    readonly says: string;
    readonly patch: string;
  }[];
  readonly gone: readonly { readonly section: string; readonly trap: string; readonly why: string }[];
  readonly later: readonly { readonly section: string; readonly trap: string; readonly why: string }[];
}

export const trapList = (): TrapList =>
  JSON.parse(readFileSync(new URL('../../test/traps/traps.json', import.meta.url), 'utf8')) as TrapList;

export function trapsPage(): string {
  const { traps, gone, later } = trapList();
  const sections = [...new Set(traps.map(({ section }) => section))];
  return page('Traps', '`test/traps/traps.json`', [
    'What proving clusters got wrong before. Each trap has a patch under `test/traps` that puts it back, and a test that',
    'goes red when it is back. `npm run test:traps` applies them one by one in a copy of the tree and demands just that;',
    '`npm run test:traps -- WORD` runs those whose id, test or patch contains the word.',
    '',
    ...sections.flatMap((section) => [
      `## ${section}`,
      '',
      ...table(
        ['trap', 'what holds now', 'test', 'patch'],
        traps
          .filter((trap) => trap.section === section)
          .map(({ trap, now, test, name, patch }) => [trap, now, `\`${test}\`: ${name}`, `\`test/traps/${patch}\``]),
      ),
    ]),
    '## Cannot come back',
    '',
    ...table(
      ['section', 'trap', 'why'],
      gone.map(({ section, trap, why }) => [section, trap, why]),
    ),
    '## Still to come',
    '',
    ...table(
      ['section', 'trap', 'why'],
      later.map(({ section, trap, why }) => [section, trap, why]),
    ),
  ]);
}
