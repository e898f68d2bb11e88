/** The keys that a coordinator verifies with, while the database that holds them is away. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import { CircuitCatalog } from '../../src/coordinator/circuits.ts';
import type { ArtifactStore } from '../../src/prover/index.ts';
import { eventually } from '../raft/node/node-bed.ts';
import { makeProofs, type Proofs } from './bed.ts';

describe('the circuits that a coordinator knows', () => {
  let proofs: Proofs;
  before(async () => {
    proofs = await makeProofs();
  });
  after(() => proofs.close());

  test('have their keys read with the list, before a proof comes', async () => {
    let isAway = false;
    let keysRead = 0;
    const { circuits, blobs } = proofs.artifacts;
    const away = new ZkraftError('database_unavailable', 'away');
    const artifacts = {
      circuits: {
        list: () => (isAway ? Promise.reject(away) : circuits.list()),
        find: (id: string) => (isAway ? Promise.reject(away) : circuits.find(id)),
      },
      blobs: {
        get: async (digest: string) => {
          if (isAway) throw away;
          const bytes = await blobs.get(digest);
          keysRead += 1;
          return bytes;
        },
      },
    } as unknown as ArtifactStore;
    const catalog = new CircuitCatalog(artifacts);
    const [circuit] = await circuits.list();
    assert.ok(circuit !== undefined);
    await catalog.refresh();
    await eventually(() => keysRead > 0);
    await new Promise((resolve) => setImmediate(resolve));
    isAway = true;
    const { verificationKey } = await catalog.verifying(circuit.circuitId, circuit.digest);
    assert.equal(verificationKey.protocol, 'groth16');
    const other = new CircuitCatalog(artifacts);
    await assert.rejects(other.verifying(circuit.circuitId, circuit.digest), { code: 'database_unavailable' });
  });
});
