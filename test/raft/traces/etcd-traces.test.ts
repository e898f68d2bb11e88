import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { findScripts, replayFile } from './replay.ts';

const VARIABLE = 'RAFT_TESTDATA_DIR';
const root = process.env[VARIABLE];

if (root === undefined || root === '') {
  const reason =
    `${VARIABLE} is not set: etcd's traces were NOT replayed. Clone github.com/etcd-io/raft and set it to the checkout: ` +
    `${VARIABLE}=../raft npm run test:traces`;
  process.stderr.write(`\n${'!'.repeat(100)}\n${reason}\n${'!'.repeat(100)}\n\n`);
  it("replays etcd's traces", { skip: reason }, () => {});
} else {
  describe(`etcd's traces`, () => {
    const scripts = existsSync(root) ? findScripts(root) : [];

    it('are there', () => {
      assert.ok(scripts.length > 0, `${VARIABLE} is ${root}, which has no script in testdata, quorum or confchange`);
    });

    for (const script of scripts)
      it(`${script.name} comes out line by line`, () => {
        for (const way of Object.keys(script.ways)) {
          const mismatch = replayFile(script, way);
          if (mismatch === undefined) continue;
          assert.equal(mismatch.actual, mismatch.expected, `${way}, line ${mismatch.line}, ${mismatch.command}`);
        }
      });
  });
}
