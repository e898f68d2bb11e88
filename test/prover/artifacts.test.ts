import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sha256Hex } from '../../src/common/index.ts';
import {
  type ArtifactStore,
  type CircuitArtifacts,
  type CircuitManifest,
  createProver,
  encodeManifest,
  loadCircuit,
  openDirectoryArtifacts,
  type PinnedCircuit,
  parseManifest,
  publishCircuit,
  setUpCircuit,
  setUpMerkleCircuit,
} from '../../src/prover/index.ts';
import { temporaryDir } from '../support/merkle-circuits.ts';
import { isRefusal } from '../support/refusals.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const folders: string[] = [];

async function freshStore(): Promise<{ dir: string; store: ArtifactStore }> {
  const dir = await temporaryDir();
  folders.push(dir);
  return { dir, store: await openDirectoryArtifacts(dir) };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

const FILE = { digest: 'a'.repeat(64), bytes: 10 };
const MERKLE: CircuitManifest = {
  version: 1,
  circuitId: 'merkle-8',
  circuitType: 'merkle',
  depth: 8,
  proofSystem: 'groth16',
  curve: 'bn254',
  trustedSetup: 'single-party',
  setupCheck: 'made-here',
  publicSignals: ['root', 'externalHash'],
  constraints: 1938,
  wires: 1949,
  createdAt: '2026-01-02T03:04:05.678Z',
  files: { r1cs: FILE, wasm: FILE, zkey: FILE, vkey: FILE },
};

after(async () => {
  for (const dir of folders) await rm(dir, { recursive: true, force: true });
});

describe('a manifest', () => {
  it('has one encoding: sorted keys, no white space, whatever the order it was made in', () => {
    const bytes = encodeManifest(MERKLE);
    const shuffled = Object.fromEntries(Object.entries(MERKLE).reverse()) as unknown as CircuitManifest;
    assert.deepEqual(encodeManifest(shuffled), bytes);
    assert.deepEqual(parseManifest(bytes), MERKLE);
    assert.match(
      new TextDecoder().decode(bytes),
      /^\{"circuitId":"merkle-8","circuitType":"merkle","constraints":1938,/,
    );
  });

  it('is refused when it is not in that encoding', () => {
    const canonical = new TextDecoder().decode(encodeManifest(MERKLE));
    for (const other of [
      `${canonical}\n`,
      canonical.replace(':', ': '),
      JSON.stringify(MERKLE),
      '',
      '[]',
      'null',
      '{',
    ]) {
      assert.throws(() => parseManifest(text(other)), isRefusal('artifact_corrupt'), other);
    }
    assert.throws(() => parseManifest(new Uint8Array(70_000).fill(0x20)), isRefusal('artifact_corrupt', /at most/));
    assert.throws(() => parseManifest(Uint8Array.of(0xff, 0xfe)), isRefusal('artifact_corrupt', /not JSON/));
  });

  it('is refused when any field is missing, unknown or says what it may not', () => {
    const refused = (change: object, message: RegExp): void => {
      assert.throws(
        () => encodeManifest({ ...MERKLE, ...change } as CircuitManifest),
        isRefusal('artifact_corrupt', message),
      );
    };
    for (const key of Object.keys(MERKLE)) {
      const { [key as 'version']: _, ...rest } = MERKLE;
      assert.throws(() => encodeManifest(rest as CircuitManifest), isRefusal('artifact_corrupt', new RegExp(key)));
    }
    refused({ extra: 1 }, /unknown field manifest\.extra/);
    refused({ version: 2 }, /version/);
    refused({ circuitId: '../merkle-8' }, /circuitId/);
    refused({ circuitId: 'merkle-9' }, /depth 8 merkle-9/);
    refused({ depth: 9 }, /depth 9 merkle-8/);
    refused({ publicSignals: ['externalHash', 'root'] }, /other public signals/);
    refused({ circuitType: 'custom' }, /calls a custom circuit merkle-8/);
    refused({ circuitType: 'custom', circuitId: 'mine' }, /gives a custom circuit a depth/);
    refused({ trustedSetup: 'trust me' }, /trustedSetup/);
    refused({ setupCheck: '' }, /setupCheck/);
    refused({ curve: 'bls12-381' }, /curve/);
    refused({ constraints: -1 }, /constraints/);
    refused({ wires: 1.5 }, /wires/);
    refused({ createdAt: 'yesterday' }, /createdAt/);
    refused({ files: { ...MERKLE.files, zkey: { digest: 'A'.repeat(64), bytes: 1 } } }, /files\.zkey\.digest/);
    refused({ files: { ...MERKLE.files, zkey: { digest: 'a'.repeat(64), bytes: 2 ** 40 } } }, /files\.zkey\.bytes/);
    refused({ files: { ...MERKLE.files, more: FILE } }, /files\.more/);
    refused({ files: { ...MERKLE.files, wireNames: { digest: '', bytes: 1 } } }, /files\.wireNames\.digest/);
    const { depth: _, ...custom } = { ...MERKLE, circuitType: 'custom', circuitId: 'mine' };
    assert.throws(
      () => encodeManifest({ ...custom, files: { ...MERKLE.files, wireNames: FILE } } as CircuitManifest),
      isRefusal('artifact_corrupt', /gives a custom circuit wire names/),
    );
  });

  it('may name the wires of a Merkle circuit, and need not', () => {
    const named = { ...MERKLE, files: { ...MERKLE.files, wireNames: FILE } };
    assert.deepEqual(parseManifest(encodeManifest(named)), named);
    assert.equal(parseManifest(encodeManifest(MERKLE)).files.wireNames, undefined);
  });
});

describe('a directory of blobs', () => {
  it('gives back what was put, whole, in chunks, from an offset, and says its size', async () => {
    const { store } = await freshStore();
    const bytes = Uint8Array.from({ length: 600_000 }, (_, i) => (i * 7) % 251);
    const digest = await store.blobs.put(bytes);
    assert.equal(digest, sha256Hex(bytes));
    assert.equal(await store.blobs.put(bytes), digest);
    assert.deepEqual(await store.blobs.get(digest), bytes);
    assert.equal(await store.blobs.size(digest), bytes.length);
    assert.equal(await store.blobs.has(digest), true);
    const chunks = await collect(store.blobs.read(digest));
    assert.ok(chunks.every((chunk) => chunk.length <= 256 * 1024));
    assert.deepEqual(Buffer.concat(chunks), Buffer.from(bytes));
    assert.deepEqual(Buffer.concat(await collect(store.blobs.read(digest, 599_990))), Buffer.from(bytes.slice(-10)));
    assert.deepEqual(await collect(store.blobs.read(digest, 600_000)), []);
    assert.deepEqual(await store.blobs.get(await store.blobs.put(new Uint8Array())), new Uint8Array());
  });

  it('says that a blob is not there, also for what is no digest', async () => {
    const { store } = await freshStore();
    for (const digest of ['0'.repeat(64), '', '../../etc/passwd', 'A'.repeat(64)]) {
      await assert.rejects(store.blobs.get(digest), isRefusal('artifact_not_found'));
      await assert.rejects(store.blobs.size(digest), isRefusal('artifact_not_found'));
      await assert.rejects(collect(store.blobs.read(digest)), isRefusal('artifact_not_found'));
    }
    assert.equal(await store.blobs.has('0'.repeat(64)), false);
  });

  it('refuses a blob that was damaged, cut or grew, until it is put again', async () => {
    const { dir, store } = await freshStore();
    const bytes = text('what was agreed on');
    const digest = await store.blobs.put(bytes);
    const path = join(dir, 'blobs', digest.slice(0, 2), digest);
    for (const damage of ['what was Agreed on', 'what was', 'what was agreed on, and more', '']) {
      await writeFile(path, damage);
      await assert.rejects(store.blobs.get(digest), isRefusal('artifact_corrupt', /remove/));
      await store.blobs.put(bytes);
      assert.deepEqual(await store.blobs.get(digest), bytes);
    }
  });

  it('keeps files to their owner and leaves no temporary ones', async () => {
    const { dir, store } = await freshStore();
    const digest = await store.blobs.put(text('private'));
    const path = join(dir, 'blobs', digest.slice(0, 2), digest);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    for (const folder of ['blobs', 'circuits', 'tmp', join('blobs', digest.slice(0, 2))]) {
      assert.equal((await stat(join(dir, folder))).mode & 0o777, 0o700, folder);
    }
    await store.circuits.pin('merkle-8', await store.blobs.put(encodeManifest(MERKLE)));
    assert.deepEqual(await readdir(join(dir, 'tmp')), []);
  });

  it('says what is wrong with a directory that cannot be used', async () => {
    const { dir } = await freshStore();
    await writeFile(join(dir, 'file'), '');
    await assert.rejects(openDirectoryArtifacts(join(dir, 'file')), isRefusal('file_not_found', /cannot be used/));
  });
});

describe('pinning', () => {
  it('is done once: the first wins and later ones get that', async () => {
    const { store } = await freshStore();
    const first = await store.blobs.put(encodeManifest(MERKLE));
    const second = await store.blobs.put(encodeManifest({ ...MERKLE, wires: 1950 }));
    assert.equal(await store.circuits.find('merkle-8'), undefined);
    assert.equal((await store.circuits.pin('merkle-8', first)).digest, first);
    assert.equal((await store.circuits.pin('merkle-8', second)).digest, first);
    assert.equal((await store.circuits.find('merkle-8'))?.manifest.wires, 1949);
    assert.deepEqual(
      (await store.circuits.list()).map(({ digest }) => digest),
      [first],
    );
  });

  it('agrees among many at once', async () => {
    const { dir, store } = await freshStore();
    const digests = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.blobs.put(encodeManifest({ ...MERKLE, wires: 2000 + i }))),
    );
    const pinned = await Promise.all(
      digests.map(async (digest) => (await openDirectoryArtifacts(dir)).circuits.pin('merkle-8', digest)),
    );
    assert.equal(new Set(pinned.map(({ digest }) => digest)).size, 1);
  });

  it('takes only the manifest of that circuit, and tells a damaged pin from a missing one', async () => {
    const { dir, store } = await freshStore();
    const digest = await store.blobs.put(encodeManifest(MERKLE));
    await assert.rejects(
      store.circuits.pin('merkle-9', digest),
      isRefusal('invalid_request', /merkle-8, not merkle-9/),
    );
    await assert.rejects(store.circuits.pin('merkle-8', '0'.repeat(64)), isRefusal('artifact_not_found'));
    await assert.rejects(
      store.circuits.pin('merkle-8', await store.blobs.put(text('{}'))),
      isRefusal('artifact_corrupt'),
    );
    for (const id of ['', '..', 'a/b', '.hidden', 'x'.repeat(64)]) {
      await assert.rejects(store.circuits.find(id), isRefusal('invalid_request'), id);
    }
    await store.circuits.pin('merkle-8', digest);
    await writeFile(join(dir, 'circuits', 'merkle-8'), 'nothing');
    await assert.rejects(store.circuits.find('merkle-8'), isRefusal('artifact_corrupt', /remove it/));
  });
});

describe('a set-up', () => {
  let dir: string;
  let store: ArtifactStore;
  let pinned: PinnedCircuit;
  const seen: [string, number][] = [];

  before(async () => {
    ({ dir, store } = await freshStore());
    const { made, ...rest } = await setUpMerkleCircuit({
      depth: 2,
      artifacts: store,
      onProgress: (stage, fraction) => seen.push([stage, fraction]),
    });
    assert.equal(made, true);
    pinned = rest;
  });

  it('goes through its stages to the end, never back', () => {
    assert.deepEqual([...new Set(seen.map(([stage]) => stage))], ['compile', 'key', 'check', 'store', 'done']);
    const fractions = seen.map(([, fraction]) => fraction);
    assert.deepEqual(
      fractions,
      [...fractions].sort((a, b) => a - b),
    );
    assert.equal(seen.at(-1)?.[1], 1);
  });

  it('says what it made, single-party included', async () => {
    const { manifest } = pinned;
    assert.equal(manifest.trustedSetup, 'single-party');
    assert.equal(manifest.setupCheck, 'made-here');
    assert.equal(manifest.constraints, 242 * 2 + 2);
    assert.deepEqual(manifest.publicSignals, ['root', 'externalHash']);
    for (const file of Object.values(manifest.files)) assert.equal(await store.blobs.size(file.digest), file.bytes);
    assert.equal(sha256Hex(encodeManifest(manifest)), pinned.digest);
  });

  it('finds what was made before at once', async () => {
    const startedAt = performance.now();
    const again = await setUpMerkleCircuit({ depth: 2, artifacts: store });
    assert.equal(again.made, false);
    assert.equal(again.digest, pinned.digest);
    assert.ok(performance.now() - startedAt < 500);
  });

  it('loads by id, by digest and as pinned, to one circuit', async () => {
    const circuits = await Promise.all([pinned, 'merkle-2', pinned.digest].map((which) => loadCircuit(store, which)));
    for (const circuit of circuits) {
      assert.equal(circuit.digest, pinned.digest);
      assert.equal(circuit.circuitId, 'merkle-2');
      assert.equal(circuit.verificationKey.nPublic, 2);
    }
    await assert.rejects(loadCircuit(store, 'merkle-3'), isRefusal('circuit_not_found', /zkraft setup/));
    await assert.rejects(loadCircuit(store, '0'.repeat(64)), isRefusal('artifact_not_found'));
  });

  it('is copied to another store whole, where an earlier pin stays', async () => {
    const { store: other } = await freshStore();
    assert.equal((await publishCircuit(store, other, 'merkle-2')).digest, pinned.digest);
    assert.equal((await loadCircuit(other, 'merkle-2')).digest, pinned.digest);
  });

  it('does not load when its verification key is not the one in its zkey, or its counts are not those of its files', async () => {
    const { store: other } = await freshStore();
    await publishCircuit(store, other, 'merkle-2');
    const key = JSON.parse(new TextDecoder().decode(await store.blobs.get(pinned.manifest.files.vkey.digest))) as {
      IC: unknown[];
    };
    const swapped = text(JSON.stringify({ ...key, IC: [key.IC[1], key.IC[0], key.IC[2]] }));
    const load = async (change: Partial<CircuitManifest>): Promise<unknown> =>
      loadCircuit(other, await other.blobs.put(encodeManifest({ ...pinned.manifest, ...change })));
    const vkey = { digest: await other.blobs.put(swapped), bytes: swapped.length };
    await assert.rejects(load({ files: { ...pinned.manifest.files, vkey } }), isRefusal('key_refused', /IC/));
    await assert.rejects(load({ wires: 5 }), isRefusal('artifact_corrupt', /says 5 wires/));
    const zkey = { ...pinned.manifest.files.zkey, bytes: 7 };
    await assert.rejects(load({ files: { ...pinned.manifest.files, zkey } }), isRefusal('artifact_corrupt', /not 7/));
    const wasm = pinned.manifest.files.zkey;
    await assert.rejects(load({ files: { ...pinned.manifest.files, wasm } }), isRefusal('circuit_wasm_invalid'));
  });

  it('loads with a wire map only from names that are those of its witness program', async () => {
    const { store: other } = await freshStore();
    await publishCircuit(store, other, 'merkle-2');
    const { wireNames, ...rest } = pinned.manifest.files;
    assert.ok(wireNames);
    const names = new TextDecoder().decode(await other.blobs.get(wireNames.digest));
    const load = async (files: CircuitManifest['files']): Promise<CircuitArtifacts> =>
      loadCircuit(other, await other.blobs.put(encodeManifest({ ...pinned.manifest, files })));
    const renamed = async (changed: string): Promise<CircuitArtifacts> => {
      const bytes = text(changed);
      return load({ ...rest, wireNames: { digest: await other.blobs.put(bytes), bytes: bytes.length } });
    };
    assert.equal((await load({ ...rest, wireNames })).merkleWires?.depth, 2);
    assert.equal((await load(rest)).merkleWires, undefined, 'a circuit of earlier versions');
    // Another compiler may keep another signal: then its program computes the witness.
    assert.equal((await renamed(names.replace('.left\n', '.middle\n'))).merkleWires, undefined);
    const lines = names.split('\n');
    const swapped = lines.with(20, lines[21] as string).with(21, lines[20] as string);
    for (const [changed, message] of [
      [swapped.join('\n'), /the witnesses differ/],
      [lines.toSpliced(20, 1).join('\n'), /they are 490, its wires 491/],
      [names.replace('one', 'two'), /wire 0/],
      [names.slice(0, -1), /end within a line/],
      [names.replace('names 1', 'names 2'), /do not begin/],
      [names.replace('main.leaf', ''), /the name of wire 3 is malformed/],
    ] as const) {
      await assert.rejects(renamed(changed), isRefusal('artifact_corrupt', message));
    }
  });

  it('does not load when a stored file is damaged', async () => {
    const { dir: otherDir, store: other } = await freshStore();
    await publishCircuit(store, other, 'merkle-2');
    const { digest } = pinned.manifest.files.zkey;
    const path = join(otherDir, 'blobs', digest.slice(0, 2), digest);
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    await chmod(path, 0o600);
    await writeFile(path, bytes);
    await assert.rejects(loadCircuit(other, 'merkle-2'), isRefusal('artifact_corrupt'));
  });

  it('of one circuit in two processes at once ends with one key, used by both', async () => {
    const { dir: shared } = await freshStore();
    const run = (): Promise<{ made: boolean; digest: string }> =>
      new Promise((resolve, reject) => {
        const script = fileURLToPath(new URL('./scripts/set-up.ts', import.meta.url));
        const child = spawn(process.execPath, ['--import', 'tsx', script, shared], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let out = '';
        child.stdout.on('data', (chunk: Buffer) => {
          out += chunk.toString();
        });
        child.on('error', reject);
        child.on('close', (code) => (code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`exit code ${code}`))));
      });
    const results = await Promise.all([run(), run()]);
    assert.equal(results[0].digest, results[1].digest);
    assert.equal(results.filter(({ made }) => made).length, 1);
  });

  it('of any circom circuit names its public signals, outputs first', async () => {
    const { store: other } = await freshStore();
    const circom = {
      text: `pragma circom 2.1.6;
template Main() { signal input b; signal input a; signal output out[2]; out[0] <== a * b; out[1] <== a * a; }
component main {public [b]} = Main();`,
    };
    const { manifest, digest } = await setUpCircuit({ circuitId: 'mine', source: { circom }, artifacts: other });
    assert.deepEqual(manifest.publicSignals, ['out[0]', 'out[1]', 'b']);
    assert.equal(manifest.circuitType, 'custom');
    const [r1cs, wasm] = await Promise.all(
      [manifest.files.r1cs, manifest.files.wasm].map((file) => other.blobs.get(file.digest)),
    );
    const circuit = await loadCircuit(other, digest);
    await using prover = await createProver({ threads: 1 });
    assert.deepEqual((await prover.prove(circuit, { a: '3', b: '5' })).publicSignals, ['15', '9', '5']);
    // From its compiled files, without the source.
    const source = { r1cs: r1cs as Uint8Array, wasm: wasm as Uint8Array };
    const again = await setUpCircuit({ circuitId: 'mine-too', source, artifacts: other });
    assert.deepEqual(again.manifest.publicSignals, ['public[0]', 'public[1]', 'public[2]']);
    await assert.rejects(
      setUpCircuit({ circuitId: 'merkle-2', source, artifacts: other }),
      isRefusal('invalid_request', /choose another/),
    );
    const broken = { ...source, r1cs: source.r1cs.subarray(0, 100) };
    await assert.rejects(setUpCircuit({ circuitId: 'b', source: broken, artifacts: other }), isRefusal('r1cs_invalid'));
    await assert.rejects(
      setUpCircuit({ circuitId: 'b', source, artifacts: other, threads: 65 }),
      isRefusal('invalid_input', /threads is 65/),
    );
  });

  it('can be cancelled, and leaves nothing pinned', async () => {
    const { store: other } = await freshStore();
    for (const at of ['compile', 'key', 'check']) {
      const stop = new AbortController();
      const making = setUpMerkleCircuit({
        depth: 2,
        artifacts: other,
        signal: stop.signal,
        onProgress: (stage) => stage === at && setTimeout(() => stop.abort(), 50),
      });
      await assert.rejects(making, isRefusal('cancelled'), at);
    }
    assert.deepEqual(await other.circuits.list(), []);
  });

  it('refuses depths that there are none of', async () => {
    await assert.rejects(setUpMerkleCircuit({ depth: 33, artifacts: store }), isRefusal('invalid_depth'));
    assert.ok(dir);
  });
});
