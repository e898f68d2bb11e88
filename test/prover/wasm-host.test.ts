/** What the main thread does for the kernels: who has which memory, for how long. Pieces run on this thread. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { selectKernels } from '../../src/prover/kernels/index.ts';
import { singlePartySetup } from '../../src/prover/setup/index.ts';
import { TableCache, type TableKey } from '../../src/prover/table-cache/index.ts';
import { type RunPiece, WasmHost, WasmThread } from '../../src/prover/wasm/index.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { pieceRunner } from '../support/piece-runner.ts';

let keys: SharedArrayBuffer[];

const shared = (bytes: Uint8Array): SharedArrayBuffer => {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
};

/** Writes nothing until it is let, and then only remembers what stood there. */
class SlowCache {
  readonly stored: { readonly key: TableKey; readonly bytes: Uint8Array }[] = [];
  release = (): void => {};
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  async load(): Promise<undefined> {
    return undefined;
  }

  async store(key: TableKey, _meta: unknown, [section]: readonly { readonly bytes: Uint8Array }[]): Promise<boolean> {
    await this.#released;
    this.stored.push({ key, bytes: (section?.bytes ?? new Uint8Array()).slice() });
    return true;
  }
}

async function makeHost(
  cache: SlowCache | TableCache,
  tableBytesMax?: number,
): Promise<{ host: WasmHost; run: RunPiece }> {
  const host = await WasmHost.create({
    selected: await selectKernels('auto'),
    circuitsMax: 1,
    cache: cache as unknown as TableCache,
    ...(tableBytesMax === undefined ? {} : { tableBytesMax }),
  });
  const thread = await WasmThread.create(host.threadData);
  return { host, run: pieceRunner(host, thread) };
}

/** The one file of tables, once it is there. */
async function tablesIn(dir: string): Promise<string> {
  for (;;) {
    const names = await readdir(dir).catch(() => []);
    const found = names.find((name) => name.endsWith('.tables'));
    if (found !== undefined && names.every((name) => !name.endsWith('.tmp'))) return join(dir, found);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

before(async () => {
  keys = await Promise.all(
    [5, 6].map(async (length) => shared((await singlePartySetup(chainCircuit(length).r1cs, { threads: 1 })).zkey)),
  );
});

describe('the tables of a circuit', () => {
  it('stay where they are until they are written, also when the circuit was put out', async () => {
    const cache = new SlowCache();
    const { host, run } = await makeHost(cache);
    const [first, second] = keys as [SharedArrayBuffer, SharedArrayBuffer];
    const use = await host.use('first', first, run);
    const { at } = use.circuit.tables.a;
    const tables = new Uint8Array(host.kernels.memory.buffer, at, 4096).slice();
    use.release();
    (await host.use('second', second, run)).release();
    // Whatever comes now must not be given their place.
    const areas = Array.from({ length: 50 }, () => host.takeArea(65_536));
    for (const area of areas) new Uint8Array(host.kernels.memory.buffer, area.at, 65_536).fill(0xff);
    assert.deepEqual(new Uint8Array(host.kernels.memory.buffer, at, 4096).slice(), tables);
    cache.release();
    while (cache.stored.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const free = Array.from({ length: 50 }, () => host.takeArea(4096).at);
    assert.ok(
      free.some((place) => place <= at && at < place + 4096),
      'and then are given up',
    );
  });

  it('are read from the disk without a look at the key, and are those that were made', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'zkraft-host-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const [first] = keys as [SharedArrayBuffer];
    const tablesOf = (host: WasmHost, at: number): Uint8Array =>
      new Uint8Array(host.kernels.memory.buffer, at, 4096).slice();
    const maker = await makeHost(new TableCache({ dir }));
    const made = await maker.host.use('first', first, maker.run);
    await tablesIn(dir);
    const reader = await makeHost(new TableCache({ dir }));
    // Elsewhere in memory: the addresses that were kept must be moved.
    reader.host.takeArea(10_000);
    const read = await reader.host.use('first', first, () => Promise.reject(new Error('a piece was run')));
    assert.notEqual(read.circuit.tables.a.at, made.circuit.tables.a.at);
    assert.deepEqual(tablesOf(reader.host, read.circuit.tables.a.at), tablesOf(maker.host, made.circuit.tables.a.at));
  });

  it('are made anew where the disk has something else, and that takes no memory', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'zkraft-host-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const [first] = keys as [SharedArrayBuffer];
    const maker = await makeHost(new TableCache({ dir }));
    (await maker.host.use('first', first, maker.run)).release();
    const path = await tablesIn(dir);
    const bytes = await readFile(path);
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 1;
    await writeFile(path, bytes);
    const fresh = await makeHost(new SlowCache());
    const damaged = await makeHost(new TableCache({ dir }));
    const expected = await fresh.host.use('first', first, fresh.run);
    const { circuit } = await damaged.host.use('first', first, damaged.run);
    assert.deepEqual(circuit, expected.circuit);
    assert.equal(await tablesIn(dir), path, 'and are kept instead');
  });

  it('are kept apart by the room that they had', async () => {
    const [first] = keys as [SharedArrayBuffer];
    const layouts = new Set<string>();
    for (const room of [1 << 16, 1 << 26]) {
      const cache = new SlowCache();
      cache.release();
      const { host, run } = await makeHost(cache, room);
      (await host.use('first', first, run)).release();
      while (cache.stored.length < 1) await new Promise((resolve) => setImmediate(resolve));
      layouts.add(cache.stored[0]?.key.layout ?? '');
    }
    assert.equal(layouts.size, 2);
  });
});
