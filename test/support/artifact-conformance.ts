/** What every artifact store must do, whatever it keeps its bytes in. Run for a directory and for PostgreSQL. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { sha256Hex } from '../../src/common/index.ts';
import { type ArtifactStore, type CircuitManifest, encodeManifest, type ManifestFile } from '../../src/prover/index.ts';

const CHUNK_BYTES = 256 * 1024;

/** `open` gives an empty store each time it is called. */
export function artifactStoreConformance(name: string, open: () => Promise<ArtifactStore>): void {
  describe(`artifacts in ${name}`, () => {
    for (const bytes of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17]) {
      test(`a blob of ${bytes} bytes comes back as it was, whole and from any offset`, async () => {
        const { blobs } = await open();
        const content = new Uint8Array(randomBytes(bytes));
        const digest = await blobs.put(content);
        assert.equal(digest, sha256Hex(content));
        assert.equal(await blobs.has(digest), true);
        assert.equal(await blobs.size(digest), bytes);
        assert.deepEqual(new Uint8Array(await blobs.get(digest)), content);
        for (const offset of new Set([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, bytes - 1, bytes])) {
          if (offset < 0 || offset > bytes) continue;
          const parts: Uint8Array[] = [];
          for await (const part of blobs.read(digest, offset)) {
            assert.ok(part.length > 0 && part.length <= CHUNK_BYTES);
            parts.push(part);
          }
          assert.ok(Buffer.concat(parts).equals(content.subarray(offset)), `from offset ${offset}`);
        }
      });
    }

    test('storing the same bytes again changes nothing, also at the same time', async () => {
      const { blobs } = await open();
      const content = new Uint8Array(randomBytes(CHUNK_BYTES + 5));
      const digests = await Promise.all(Array.from({ length: 8 }, () => blobs.put(content)));
      assert.deepEqual([...new Set(digests)], [sha256Hex(content)]);
      assert.deepEqual(new Uint8Array(await blobs.get(sha256Hex(content))), content);
    });

    test('what is not stored is not found, and a name that is no digest neither', async () => {
      const { blobs } = await open();
      assert.equal(await blobs.has('00'.repeat(32)), false);
      for (const digest of ['00'.repeat(32), 'no digest', '../../etc/passwd', '']) {
        await assert.rejects(blobs.size(digest), { code: 'artifact_not_found' });
        await assert.rejects(blobs.get(digest), { code: 'artifact_not_found' });
        await assert.rejects(
          async () => {
            for await (const _ of blobs.read(digest));
          },
          { code: 'artifact_not_found' },
        );
      }
    });

    test('the first to pin a circuit decides, and all others get that one', async () => {
      const store = await open();
      assert.equal(await store.circuits.find('square'), undefined);
      const digests = await Promise.all(Array.from({ length: 6 }, (_, i) => storeCircuit(store, 'square', i)));
      const pinned = await Promise.all(digests.map((digest) => store.circuits.pin('square', digest)));
      const winner = pinned[0];
      assert.ok(winner && digests.includes(winner.digest));
      for (const other of pinned) assert.deepEqual(other, winner);
      assert.deepEqual(await store.circuits.find('square'), winner);
      const manifest = JSON.parse(Buffer.from(await store.blobs.get(winner.digest)).toString('utf8'));
      assert.deepEqual(winner.manifest, manifest);
    });

    test('circuits are listed by id', async () => {
      const store = await open();
      assert.deepEqual(await store.circuits.list(), []);
      for (const id of ['square', 'cube', 'a.b_c-1']) {
        await store.circuits.pin(id, await storeCircuit(store, id, 0));
      }
      assert.deepEqual(
        (await store.circuits.list()).map(({ circuitId }) => circuitId),
        ['a.b_c-1', 'cube', 'square'],
      );
    });

    test('a manifest of another circuit, or what is no manifest, cannot be pinned', async () => {
      const store = await open();
      const digest = await storeCircuit(store, 'square', 0);
      await assert.rejects(store.circuits.pin('cube', digest), { code: 'invalid_request', field: 'circuitId' });
      for (const text of ['{', '7', '{"version":2}']) {
        const garbage = await store.blobs.put(new TextEncoder().encode(text));
        await assert.rejects(store.circuits.pin('cube', garbage), { code: 'artifact_corrupt' });
      }
      await assert.rejects(store.circuits.pin('../x', digest), { code: 'invalid_request' });
      assert.deepEqual(await store.circuits.list(), []);
    });

    test('a manifest that is not stored cannot be pinned', async () => {
      const { circuits } = await open();
      await assert.rejects(circuits.pin('merkle-8', '00'.repeat(32)), { code: 'artifact_not_found' });
      assert.equal(await circuits.find('square'), undefined);
    });
  });
}

/** Stores four small files and their manifest; different for each `variant`. Returns the manifest's digest. */
export async function storeCircuit(store: ArtifactStore, circuitId: string, variant: number): Promise<string> {
  const file = async (text: string): Promise<ManifestFile> => {
    const content = new TextEncoder().encode(`${text} of ${circuitId}, variant ${variant}`);
    return { digest: await store.blobs.put(content), bytes: content.length };
  };
  const manifest: CircuitManifest = {
    version: 1,
    circuitId,
    circuitType: 'custom',
    proofSystem: 'groth16',
    curve: 'bn254',
    trustedSetup: 'single-party',
    setupCheck: 'made-here',
    publicSignals: ['root', 'externalHash'],
    constraints: 3,
    wires: 4,
    createdAt: '2026-01-02T03:04:05Z',
    files: {
      r1cs: await file('r1cs'),
      wasm: await file('wasm'),
      zkey: await file('zkey'),
      vkey: await file('vkey'),
    },
  };
  return store.blobs.put(encodeManifest(manifest));
}
