/** Some hundred proofs in a row: the command's promises, with room for a process that is still growing into its caches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endure } from './endurance.ts';
import { judgeMemory, megabytesText } from './verdict.ts';

const SETTLE_PROOFS = 200;
/** What must not be there, an area or a witness kept for each proof, is megabytes a proof. */
const GROWTH_MAX = 1.25;

test('hundreds of proofs in a row verify, and memory stays as it is', async (t) => {
  const { samples, proofs, shownToSnarkjs } = await endure({
    proofs: 600,
    depth: 4,
    threads: 2,
    sampleEach: 100,
    snarkjsEach: 60,
    say: () => {},
    sampled: ({ proofs: done, rssBytes }) => t.diagnostic(`${done} proofs, RSS ${megabytesText(rssBytes)}`),
    progress: () => {},
  });
  assert.equal(proofs, 600);
  assert.equal(shownToSnarkjs, 10);
  const { pass, text } = judgeMemory(samples, SETTLE_PROOFS, GROWTH_MAX);
  assert.ok(pass, text);
});
