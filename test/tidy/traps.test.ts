import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { trapList } from '../../scripts/docs/traps.ts';
import { filesUnder, ROOT, read } from './source-tree.ts';

const { traps } = trapList();

describe('every trap', () => {
  it('has a patch that applies and touches what we ship or run', () => {
    const broken = traps.flatMap(({ patch }) => {
      const touched = [...read(`test/traps/${patch}`).matchAll(/^\+\+\+ b\/(\S+)/gm)].map(
        (match) => match[1] as string,
      );
      const { status, stderr } = spawnSync('git', ['apply', '--check', join('test/traps', patch)], {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(ROOT) },
      });
      const ours = touched.length > 0 && touched.every((path) => /^(src|circuits|scripts)\//.test(path));
      return status === 0 && ours ? [] : [`${patch}: ${stderr || touched.join(', ')}`];
    });
    assert.deepEqual(broken, []);
  });

  it('is listed, once', () => {
    const patches = filesUnder('test/traps', '.patch').map((path) => path.slice('test/traps/'.length));
    assert.deepEqual(traps.map(({ patch }) => patch).sort(), patches);
    assert.equal(new Set(traps.map(({ id }) => id)).size, traps.length);
    assert.deepEqual(
      traps.filter(({ id, patch }) => !patch.endsWith(`-${id}.patch`)).map(({ patch }) => patch),
      [],
    );
  });

  it('names a test that exists, and what it says when it is red', () => {
    const missing = traps.filter(({ test, name }) => {
      if (!existsSync(join(ROOT, test))) return true;
      const text = read(test);
      return !["'", '"', '`'].some((quote) => text.includes(`${quote}${name}${quote}`));
    });
    assert.deepEqual(
      missing.map(({ test, name }) => `${test}: ${name}`),
      [],
    );
    for (const { id, says } of traps) assert.ok(says.length > 3 && new RegExp(says), id);
  });
});
