/** One task with nothing faked but the coordinator: keys are fetched from it, and the proof verifies. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { packElements, toBytesBE } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import type { SendHeartbeatRequest } from '../../src/common/rpc/index.ts';
import {
  createProver,
  loadCircuit,
  openDirectoryArtifacts,
  proofFromBytes,
  setUpMerkleCircuit,
} from '../../src/prover/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { FakeCoordinator } from '../support/fake-coordinator.ts';
import { assignmentFor } from '../support/worker-fixtures.ts';

const DEPTH = 3;
const dir = await mkdtemp(join(tmpdir(), 'zkraft-real-'));
after(() => rm(dir, { recursive: true, force: true }));

it('a worker with an empty cache fetches the keys, proves, and its proof verifies; a wrong root is told as such', async () => {
  const made = await openDirectoryArtifacts(join(dir, 'made'));
  const pinned = await setUpMerkleCircuit({ depth: DEPTH, artifacts: made });
  const leader = await FakeCoordinator.start();
  const { r1cs: _, ...needed } = pinned.manifest.files;
  assert.ok(needed.wireNames, 'a Merkle circuit says which signal is on which wire');
  for (const digest of [pinned.digest, ...Object.values(needed).map((file) => file.digest)]) {
    leader.blobs.set(digest, await made.blobs.get(digest));
  }
  await using prover = await createProver({ threads: 1 });
  const worker = await startWorker({
    id: 'w1',
    coordinatorAddresses: [leader.address],
    prover,
    artifacts: await openDirectoryArtifacts(join(dir, 'cache')),
    spoolDir: join(dir, 'spool'),
    softwareVersion: '0.0.0',
    logger: silentLogger,
  });
  try {
    await leader.until(() => leader.streams === 1, 'it was registered');
    const leaves = [11n, 22n, 33n, 44n, 55n];
    const root = await prover.merkleRoot(leaves, DEPTH);
    const circuit = {
      circuitId: pinned.circuitId,
      depth: DEPTH,
      digest: pinned.digest,
      blobs: new Map(),
      zkeyDigest: '',
    };
    const right = assignmentFor('w1', circuit, leaves);
    const merkle = { depth: DEPTH, leafIndex: 4, leaves: packElements(leaves), externalHash: toBytesBE(99n) };
    leader.assign({ ...right, task: { $case: 'merkle', value: { ...merkle, root: toBytesBE(root) } } });
    const wrong = assignmentFor('w1', circuit, leaves);
    leader.assign({ ...wrong, task: { $case: 'merkle', value: { ...merkle, root: toBytesBE(root + 1n) } } });
    await leader.until(
      () => leader.completions.length === 1 && leader.failures.length === 1,
      'both were answered',
      60_000,
    );
    assert.deepEqual([leader.failures[0]?.lease, leader.failures[0]?.code], [wrong.lease, 'wrong_path']);

    const [completion] = leader.completions;
    const signals = completion?.publicSignals.map((signal) => BigInt(`0x${Buffer.from(signal).toString('hex')}`));
    assert.deepEqual(signals, [root, 99n]);
    const { verificationKey } = await loadCircuit(made, pinned);
    const proof = proofFromBytes(completion?.proof ?? new Uint8Array(0));
    assert.equal(await prover.verify(verificationKey, proof, [String(root), '99']), true);
    assert.equal(await prover.verify(verificationKey, proof, [String(root), '98']), false);

    // All the while heartbeats went out in time: proving is not on this thread.
    const beats = leader.of<SendHeartbeatRequest>('sendHeartbeat').length;
    assert.ok(beats >= 2, `${beats} heartbeats`);
  } finally {
    await worker.close();
    leader.stop();
  }
});
