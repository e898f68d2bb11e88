import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeMemory, type Sample } from './verdict.ts';

const run = (...megabytes: readonly number[]): Sample[] =>
  megabytes.map((size, i) => ({ proofs: 100 * (i + 1), elapsedMs: i, rssBytes: size * 1e6 }));

describe('the memory of a long run', () => {
  it('may do what it likes until it has settled', () => {
    assert.equal(judgeMemory(run(900, 100, 300, 310, 305), 300, 1.1).pass, true);
  });

  it('may not grow by more than a tenth afterwards, not even for a while', () => {
    assert.equal(judgeMemory(run(100, 200, 300, 330, 300), 300, 1.1).pass, true);
    assert.equal(judgeMemory(run(100, 200, 300, 331, 300), 300, 1.1).pass, false);
    assert.equal(judgeMemory(run(100, 200, 300, 310, 320, 340), 300, 1.1).pass, false);
  });

  it('says what it saw', () => {
    assert.match(
      judgeMemory(run(100, 200, 250), 200, 1.1).text,
      /RSS 200.0 MB after 200 proofs, then 250.0 MB .*\+25.0 %/,
    );
  });

  it('is not judged by a single sample, or by none', () => {
    assert.throws(() => judgeMemory(run(100, 200), 200, 1.1), /two samples/);
    assert.throws(() => judgeMemory([], 0, 1.1), /two samples/);
  });
});
