import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { pages } from '../../scripts/gen-docs.ts';
import { ERROR_TABLE } from '../../src/common/index.ts';
import { SETTING_KEYS } from '../../src/config/index.ts';
import { filesUnder, ROOT, read, sourceFiles } from './source-tree.ts';

const files = sourceFiles();
const markdown = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'],
  ...['docs', 'src', 'circuits', 'proto', 'bench', 'docker', 'test', 'examples'].flatMap((folder) =>
    filesUnder(folder, '.md'),
  ),
];

describe('the reference pages', () => {
  it('are what the code says (npm run gen:docs)', async () => {
    for (const [path, text] of await pages()) assert.equal(read(path), text, `${path} is stale`);
  });
});

describe('every error code', () => {
  it('is answered somewhere', () => {
    const used = files.filter((file) => file.path !== 'src/common/error-table.ts').map((file) => file.text);
    const dead = Object.keys(ERROR_TABLE).filter((code) => !used.some((text) => text.includes(`'${code}'`)));
    assert.deepEqual(dead, []);
  });
});

describe('every setting', () => {
  it('is read by a launcher or a command', () => {
    const readers = files.filter((file) => /^src\/(cli|launch)\//.test(file.path)).map((file) => file.text);
    const unread = SETTING_KEYS.filter((key) => !readers.some((text) => text.includes(`'${key}'`)));
    assert.deepEqual(unread, []);
  });
});

describe('every command', () => {
  it('has a file, a help page and an example', () => {
    const commands = readdirSync(join(ROOT, 'src/cli/commands')).map((name) => name.replace(/\.ts$/, ''));
    const page = read('docs/reference/commands.md');
    for (const name of commands) {
      assert.match(page, new RegExp(`^## zkraft ${name}$`, 'm'));
      const section = page.split(`## zkraft ${name}\n`)[1]?.split('\n## ')[0] ?? '';
      assert.match(section, /Examples:/, name);
      assert.match(section, /--json/, name);
    }
  });
});

describe('every link', () => {
  it('in the documentation leads somewhere', () => {
    const broken = markdown.flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)\s]+)\)/g)]
        .map((match) => match[1] as string)
        .filter((link) => !/^(https?:|mailto:)/.test(link))
        .filter((link) => {
          const [file = '', anchor] = link.split('#');
          const target = file === '' ? path : join(dirname(path), file);
          if (!existsSync(join(ROOT, target))) return true;
          if (anchor === undefined || !target.endsWith('.md')) return false;
          return !headings(read(target)).includes(anchor);
        })
        .map((link) => `${path}: ${link}`),
    );
    assert.deepEqual(broken, []);
  });

  it('to a file, a folder or a script that a page names in passing exists', () => {
    const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
    const wrong = markdown.flatMap((path) => [
      ...[...read(path).matchAll(/npm run (?:-s |--silent )?([a-z][a-z:-]*)/g)]
        .filter((match) => !scripts.includes(match[1] as string))
        .map((match) => `${path}: npm run ${match[1]}`),
      ...[...read(path).matchAll(/`((?:src|test|scripts|docs|circuits|proto|examples)\/[A-Za-z0-9_./-]+)`/g)]
        .filter((match) => !existsSync(join(ROOT, match[1] as string)))
        .map((match) => `${path}: ${match[1]}`),
    ]);
    assert.deepEqual(wrong, []);
  });
});

const headings = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replaceAll(/[^a-z0-9 _-]/g, '')
      .replaceAll(' ', '-'),
  );
