/** What is no leaf gets its code at the gateway, not a 202 that a worker dies of. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { R } from '../../src/common/index.ts';
import { submit, type TestGateway, testGateway } from './support.ts';

describe('the gateway checks leaves before it answers', () => {
  let part: TestGateway;
  beforeEach(async () => {
    part = await testGateway();
  });
  afterEach(() => part.gateway.close());

  test('a leaf that is zero, not below r, over 32 bytes or no number is 400, and nothing is stored', async () => {
    const long = [`0x1${'0'.repeat(64)}`, '9'.repeat(100)];
    const bad = [...long, R.toString(), `0x${'f'.repeat(64)}`, '0', '0x0', '-1', 'leaf'];
    for (const leaf of bad) {
      const { status, json } = await submit(part.gateway.url, { leaves: ['1', leaf], leaf_index: 0 });
      assert.deepEqual([status, json.code], [400, 'invalid_leaf'], leaf);
      assert.match(json.error, /leaves\[1\]/);
    }
    assert.equal(part.tasks.submitted.length, 0);
  });

  test('an index at or beyond the number of leaves is 400, and nothing is stored', async () => {
    for (const index of [2, 999]) {
      const { status, json } = await submit(part.gateway.url, { leaves: ['1', '2'], leaf_index: index });
      assert.deepEqual([status, json.code], [400, 'invalid_leaf_index']);
    }
    assert.equal(part.tasks.submitted.length, 0);
  });
});
