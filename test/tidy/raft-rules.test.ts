import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { filesUnder, read } from './source-tree.ts';

const RULES = 12;

interface Rule {
  readonly number: number;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
}

/** The list under `## Rules`: `1. ...`, and under each `- \`file\`: name of the test`, which may be wrapped. */
function rulesOf(readme: string): Rule[] {
  const list = readme.split('\n## Rules\n')[1]?.split('\n## ')[0] ?? '';
  const items = list.split(/^(?=\d+\. )/m).filter((item) => /^\d+\. /.test(item));
  return items.map((item) => {
    const [head = '', ...bullets] = item.split(/\n +- /);
    return {
      number: Number.parseInt(head, 10),
      tests: bullets.map((bullet) => {
        const [, file = '', name = ''] = /^`([^`]+)`: (.*)$/s.exec(bullet.trim()) ?? [];
        return { file, name: name.replaceAll(/\s+/g, ' ') };
      }),
    };
  });
}

const namesIn = (path: string): string[] =>
  [...read(path).matchAll(/\bit\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/gs)].map(([, , name = '']) =>
    name.replaceAll(/\\(.)/g, '$1'),
  );

describe('the rules of src/raft', () => {
  const rules = rulesOf(read('src/raft/README.md'));

  it('are twelve, and each names a test', () => {
    assert.deepEqual(
      rules.map(({ number }) => number),
      Array.from({ length: RULES }, (_, i) => i + 1),
    );
    for (const { number, tests } of rules) assert.ok(tests.length > 0, `rule ${number} has no test`);
  });

  it('name tests that are there, by file and by name', () => {
    const files = new Set(filesUnder('test/raft', '.test.ts'));
    const missing = rules.flatMap(({ number, tests }) =>
      tests
        .filter(({ file, name }) => !files.has(`test/raft/${file}`) || !namesIn(`test/raft/${file}`).includes(name))
        .map(({ file, name }) => `rule ${number}: ${file}: ${name}`),
    );
    assert.deepEqual(missing, []);
  });

  it('are not switched off: none of those tests is skipped or still to be written', () => {
    for (const file of new Set(rules.flatMap(({ tests }) => tests.map((test) => test.file)))) {
      assert.doesNotMatch(read(`test/raft/${file}`), /\b(it|describe)\.(skip|todo)\(/, file);
    }
  });
});
