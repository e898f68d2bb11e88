import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { trapList } from '../../scripts/docs/traps.ts';
import { brokenPatches, missingTests, patchesUnder } from './patches.ts';

const FOLDER = 'test/traps';
const { traps } = trapList();

describe('every trap', () => {
  it('has a patch that applies and touches what we ship or run', () => {
    const patches = traps.map(({ patch }) => patch);
    assert.deepEqual(
      brokenPatches(FOLDER, patches, (path) => /^(src|circuits|scripts|docker)\//.test(path)),
      [],
    );
  });

  it('is listed, once', () => {
    assert.deepEqual(traps.map(({ patch }) => patch).sort(), patchesUnder(FOLDER));
    assert.equal(new Set(traps.map(({ id }) => id)).size, traps.length);
    assert.deepEqual(
      traps.filter(({ id, patch }) => !patch.endsWith(`-${id}.patch`)).map(({ patch }) => patch),
      [],
    );
  });

  it('names a test that exists, and what it says when it is red', () => {
    assert.deepEqual(missingTests(traps), []);
    for (const { id, says } of traps) assert.ok(says.length > 3 && new RegExp(says), id);
  });
});
