/**
 * `npm run demo`: the whole network, once through.
 *
 * Installs and builds if need be, starts the network on free ports, submits real tasks over HTTP, waits for the
 * proofs, verifies each with snarkjs against the key that the gateway serves, shows what happens to a forged proof and
 * to a bad request, and stops. Exits 0 only if all of it held.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap, ROOT } from './bootstrap.mjs';
import { startNetwork } from './demo-network.mjs';

const say = (line = '') => process.stdout.write(`${line}\n`);
const begun = Date.now();
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

say('zkraft demo: real Merkle tasks through the whole network.');
say();
bootstrap((line) => say(line));

say('Starting PostgreSQL, coordinator, gateway and worker (the first time the keys are made, too)...');
const network = await startNetwork({
  dataDir: join(ROOT, '.zkraft', 'demo'),
  depths: '8,16',
  onProgress: (stage) => say(`  ${stage}`),
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await network.stop();
    process.exit(130);
  });
}

let failed = true;
try {
  await demonstrate(network.gatewayUrl);
  failed = false;
} catch (error) {
  say();
  say(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  await network.stop();
}
if (!failed) say(`Stopped cleanly after ${seconds(begun)}. Next: npm start, then open the gateway's page.`);
// snarkjs keeps its curve's threads; everything of ours has ended.
process.exit(failed ? 1 : 0);

async function demonstrate(url) {
  const call = async (path, body) => {
    const answer = await fetch(`${url}${path}`, {
      signal: AbortSignal.timeout(60_000),
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  };
  const snarkjs = await import('snarkjs');

  const leaves = JSON.parse(readFileSync(join(ROOT, 'examples', 'leaves.json'), 'utf8'));
  const wanted = [
    ...[0, 5, leaves.length - 1].map((leaf_index) => ({ leaf_index, depth: 8 })),
    ...[1, 7].map((leaf_index) => ({ leaf_index, depth: 16 })),
  ];
  say();
  say(`1. Submitting ${wanted.length} tasks over examples/leaves.json (${leaves.length} leaves) to ${url}`);
  const submitted = Date.now();
  const tasks = [];
  for (const task of wanted) {
    const { status, body } = await call('/api/v1/tasks/merkle', { leaves, ...task, fresh: true });
    assert.equal(status, 202, `submit answered ${status}: ${JSON.stringify(body)}`);
    tasks.push({ ...task, id: body.task_id });
    say(`   ${body.task_id}  leaf ${task.leaf_index}, depth ${task.depth}: ${body.status}`);
  }

  say();
  say('2. Waiting for the proofs');
  const results = [];
  for (const task of tasks) {
    let { body } = await call(`/api/v1/tasks/${task.id}?wait=20s`);
    const patience = Date.now() + 180_000;
    while (!['completed', 'failed', 'cancelled'].includes(body.status)) {
      if (Date.now() > patience) throw new Error(`task ${task.id} is still ${body.status} after 3 minutes`);
      ({ body } = await call(`/api/v1/tasks/${task.id}?wait=20s`));
    }
    assert.equal(body.status, 'completed', `task ${task.id} ended ${body.status}: ${body.error}`);
    results.push({ ...task, ...body });
    say(`   ${task.id}  proved by ${body.worker_id}, attempt ${body.attempt}`);
  }
  const provedIn = seconds(submitted);

  say();
  say("3. Verifying with snarkjs against the gateway's keys");
  const keys = new Map();
  for (const result of results) {
    if (!keys.has(result.circuit_id)) {
      const { status, body } = await call(`/api/v1/circuits/${result.circuit_id}/verification-key`);
      assert.equal(status, 200, `no verification key for ${result.circuit_id}`);
      keys.set(result.circuit_id, body);
    }
    const valid = await snarkjs.groth16.verify(keys.get(result.circuit_id), result.public_signals, result.proof);
    assert.equal(valid, true, `the proof of ${result.id} does not verify`);
    assert.equal(result.public_signals[0], result.merkle_root, 'the proof is about another root');
    say(
      `   leaf ${String(result.leaf_index).padStart(2)} is in the tree with root ${short(result.merkle_root)}  (${result.circuit_id}): VERIFIED`,
    );
  }

  say();
  say('4. A forged proof');
  const [first] = results;
  const key = keys.get(first.circuit_id);
  const forged = [(BigInt(first.public_signals[0]) + 1n).toString(), ...first.public_signals.slice(1)];
  assert.equal(await snarkjs.groth16.verify(key, forged, first.proof), false, 'a forged root was accepted');
  say('   the same proof for another root: REFUSED');
  const swapped = { ...first.proof, pi_a: results[1].proof.pi_a };
  assert.equal(await snarkjs.groth16.verify(key, first.public_signals, swapped), false, 'a mixed proof was accepted');
  say('   a proof mixed from two others:   REFUSED');

  say();
  say('5. A bad request');
  for (const [what, body] of [
    ['leaf index beyond the leaves', { leaves, leaf_index: leaves.length }],
    ['a leaf of zero (the padding)', { leaves: ['1', '0'], leaf_index: 0 }],
  ]) {
    const { status, body: answer } = await call('/api/v1/tasks/merkle', body);
    assert.equal(status, 400, `${what} was answered ${status}`);
    say(`   ${what}: ${status} ${answer.code}`);
    say(`     "${answer.error}"`);
  }
  const again = await call('/api/v1/tasks/merkle', { leaves, leaf_index: 2, depth: 8 });
  const same = await call('/api/v1/tasks/merkle', { leaves, leaf_index: 2, depth: 8 });
  assert.equal(same.status, 200);
  assert.equal(same.body.task_id, again.body.task_id);
  say('   the same request twice: one task, the second answer from the first');

  say();
  say('Summary');
  say(
    `   ${results.length} secrets were proved to be in a public tree, in ${provedIn}, without showing which leaf it was.`,
  );
  say('   Every proof was checked by the coordinator before it counted, and again here by snarkjs.');
  say(`   Keys: ${[...keys.keys()].join(', ')}, single-party (good for trying, not for production).`);
  say();
}

function short(decimal) {
  return `${decimal.slice(0, 8)}...${decimal.slice(-6)}`;
}
