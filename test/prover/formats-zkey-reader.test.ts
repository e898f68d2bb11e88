import assert from 'node:assert/strict';
import { type FileHandle, mkdir, open, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import {
  findPointFault,
  G1_BYTES,
  g2ToMontgomery,
  openZkey,
  type PointChunk,
  parseZkey,
  readContainer,
  verificationKeyFromZkey,
  verificationKeyOf,
  viewOf,
  writeContainer,
  writeInteger,
  ZKEY_FORMAT,
  type ZkeySectionName,
  type ZkeySource,
} from '../../src/prover/formats/index.ts';
import { Fq, Fr } from '../../src/prover/reference/index.ts';
import { singlePartySetup } from '../../src/prover/setup/index.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { temporaryDir } from '../support/merkle-circuits.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { strayTwistPoint } from '../support/stray-twist-point.ts';

const NAMES: readonly ZkeySectionName[] = ['ic', 'coefficients', 'a', 'b1', 'b2', 'c', 'h', 'contributions'];
const random = new SeededRandom(3);

let dir: string;
let path: string;
let zkey: Uint8Array;

before(async () => {
  dir = await temporaryDir();
  path = join(dir, 'chain.zkey');
  const made = await singlePartySetup(chainCircuit(6).r1cs, { threads: 1 });
  const contributions = readContainer(made.zkey, ZKEY_FORMAT).has(10) ? [] : [[10, random.bytes(500)] as const];
  zkey = writeContainer(ZKEY_FORMAT, [...readContainer(made.zkey, ZKEY_FORMAT), ...contributions]);
  await writeFile(path, zkey);
});
after(() => rm(dir, { recursive: true, force: true }));

/** The elements of a section, put together again from its chunks. */
async function whole(source: ZkeySource, name: ZkeySectionName, bytesPerChunk?: number): Promise<Uint8Array> {
  await using reader = await openZkey(source);
  const parts: Uint8Array[] = [];
  let at = 0;
  const elementBytes = name === 'contributions' ? 1 : name === 'coefficients' ? 44 : name === 'b2' ? 128 : 64;
  for await (const { first, bytes } of reader.sectionChunks(name, bytesPerChunk)) {
    assert.equal(first * elementBytes, at, `${name}: chunks follow one another`);
    assert.ok(bytes.length <= Math.max(bytesPerChunk ?? Number.POSITIVE_INFINITY, elementBytes), `${name}: size`);
    parts.push(Uint8Array.from(bytes));
    at += bytes.length;
  }
  assert.equal(reader.sectionBytes(name), at);
  return Buffer.concat(parts);
}

/** Code and message with which a key is refused; "sound" when it is not. */
async function verdict(check: () => unknown): Promise<string> {
  try {
    await check();
    return 'sound';
  } catch (thrown) {
    if (thrown instanceof ZkraftError && thrown.code !== 'internal') return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
}

const inChunks = async (source: ZkeySource, bytesPerChunk: number): Promise<void> => {
  await using reader = await openZkey(source);
  await reader.check({ bytesPerChunk });
};

describe('a zkey read in chunks', () => {
  it('has the header and the sections of one that was parsed, from bytes, path and open file, whatever the chunks', async () => {
    const parsed = parseZkey(zkey);
    const handle = await open(path, 'r');
    for (const source of [zkey, path, handle]) {
      await using reader = await openZkey(source);
      assert.deepEqual(reader.header, parsed.header);
      assert.equal(reader.coefficients, viewOf(parsed.sections.coefficients).getUint32(0, true));
      for (const name of NAMES) {
        const expected = parsed.sections[name]?.subarray(name === 'coefficients' ? 4 : 0);
        for (const bytesPerChunk of [1, 100, 1000, undefined]) {
          const found = await whole(source, name, bytesPerChunk);
          assert.equal(Buffer.compare(found, expected ?? new Uint8Array()), 0, `${name} by ${bytesPerChunk}`);
        }
      }
    }
    await handle.close();
  });

  it('leaves a file open that was given open, and closes its own, once', async () => {
    const handle: FileHandle = await open(path, 'r');
    const lent = await openZkey(handle);
    await lent.close();
    assert.ok((await handle.stat()).isFile());
    await handle.close();
    const own = await openZkey(path);
    await own.close();
    await own.close();
    await assert.rejects(own.check(), isRefusal('file_not_found'));
  });

  it('is copied section by section into shared memory', async () => {
    const { sections } = parseZkey(zkey);
    for (const source of [zkey, path]) {
      await using reader = await openZkey(source);
      const memory = new Uint8Array(new SharedArrayBuffer(sections.h.length + 20)).fill(9);
      await reader.readSection('h', memory.subarray(10, 10 + sections.h.length));
      const expected = Buffer.concat([Buffer.alloc(10, 9), sections.h, Buffer.alloc(10, 9)]);
      assert.equal(Buffer.compare(Uint8Array.from(memory), expected), 0);
      await assert.rejects(reader.readSection('h', memory), RangeError);
      const ic = new Uint8Array(reader.sectionBytes('ic') ?? 0);
      await reader.readSection('ic', ic);
      assert.deepEqual(verificationKeyOf({ header: reader.header, sections: { ic } }), verificationKeyFromZkey(zkey));
    }
  });

  it('of more than a gigabyte takes a few megabytes', async () => {
    // A file with a hole: contributions may be of any length.
    const large = join(dir, 'large.zkey');
    const small = writeContainer(
      ZKEY_FORMAT,
      [...readContainer(zkey, ZKEY_FORMAT)].filter(([id]) => id !== 10),
    );
    const bytes = 1_200_000_000;
    const sectionHeader = Buffer.alloc(12);
    sectionHeader.writeUInt32LE(10);
    sectionHeader.writeBigUInt64LE(BigInt(bytes), 4);
    viewOf(small).setUint32(8, viewOf(small).getUint32(8, true) + 1, true);
    await writeFile(large, Buffer.concat([small, sectionHeader]));
    await truncate(large, small.length + 12 + bytes);

    const before = process.memoryUsage().arrayBuffers;
    let [most, seen] = [0, 0];
    await using reader = await openZkey(large);
    await reader.check();
    for await (const chunk of reader.sectionChunks('contributions')) {
      seen += chunk.bytes.length;
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    assert.equal(seen, bytes);
    assert.ok(most < 32e6, `${most} bytes of buffers`);
    await rm(large);
  });
});

describe('the check of a zkey read in chunks', () => {
  const changed = (change: (copy: Uint8Array) => void): Uint8Array => {
    const copy = Uint8Array.from(zkey);
    change(copy);
    return copy;
  };
  const resized = (id: number, resize: (payload: Uint8Array) => Uint8Array): Uint8Array =>
    writeContainer(
      ZKEY_FORMAT,
      [...readContainer(zkey, ZKEY_FORMAT)].map(([other, payload]) => [
        other,
        other === id ? resize(payload) : payload,
      ]),
    );

  it('is that of the parser, code and words, for hundreds of damaged keys', async () => {
    const damaged: Uint8Array[] = [zkey];
    for (let i = 0; i < 120; i++) {
      damaged.push(
        changed((copy) => {
          for (let n = random.below(2); n >= 0; n--) copy[random.below(copy.length)] = random.below(256);
        }),
      );
    }
    for (let i = 0; i < 40; i++) damaged.push(zkey.subarray(0, random.below(zkey.length)));
    for (let id = 1; id <= 9; id++) {
      for (const resize of [
        () => new Uint8Array(),
        (payload: Uint8Array) => payload.subarray(0, 3),
        (payload: Uint8Array) => payload.subarray(0, payload.length - 1),
        (payload: Uint8Array) => Buffer.concat([payload, new Uint8Array(64)]),
      ]) {
        damaged.push(resized(id, resize));
      }
      damaged.push(
        writeContainer(
          ZKEY_FORMAT,
          [...readContainer(zkey, ZKEY_FORMAT)].filter(([other]) => other !== id),
        ),
      );
    }
    const file = join(dir, 'damaged.zkey');
    let refused = 0;
    for (const [i, bytes] of damaged.entries()) {
      const expected = await verdict(() => parseZkey(bytes));
      assert.equal(await verdict(() => inChunks(bytes, 1000)), expected, `key ${i} in memory`);
      if (i % 5 === 0) {
        await writeFile(file, bytes);
        assert.equal(await verdict(() => inChunks(file, 300)), expected, `key ${i} in a file`);
      }
      if (expected !== 'sound') refused++;
    }
    assert.equal(await verdict(() => inChunks(zkey, 1000)), 'sound');
    assert.ok(refused > 150, `${refused} of ${damaged.length} refused`);
  });

  it('names the place in the section, not in the chunk', async () => {
    const { sections } = parseZkey(zkey);
    const at = (bytes: Uint8Array) => bytes.byteOffset - zkey.byteOffset;
    const h = changed((copy) => writeInteger(viewOf(copy), at(sections.h) + 13 * G1_BYTES, Fq.modulus));
    await assert.rejects(inChunks(h, 200), isRefusal('zkey_invalid', /H\[13\] has a coordinate/));
    const entry = changed((copy) =>
      writeInteger(viewOf(copy), at(sections.coefficients) + 4 + 44 * 9 + 12, Fr.modulus),
    );
    await assert.rejects(inChunks(entry, 100), isRefusal('zkey_invalid', /entry 9/));
  });

  it('sees a point outside the subgroup, in whichever chunk', async () => {
    const { sections } = parseZkey(zkey);
    const stray = g2ToMontgomery([strayTwistPoint()]);
    const bytes = changed((copy) => copy.set(stray, sections.b2.byteOffset - zkey.byteOffset + 128 * 7));
    for (const bytesPerChunk of [128, 1000, 1e6]) {
      await assert.rejects(inChunks(bytes, bytesPerChunk), isRefusal('zkey_invalid', /B2 has points outside/));
    }
  });

  it('may be done by another, who is given every point once and whose word counts', async () => {
    await using reader = await openZkey(path);
    const given = new Map<string, number>();
    const pointCheck = async (chunk: PointChunk) => {
      assert.equal(chunk.infinityAllowed, !['ic', 'h'].includes(chunk.section));
      given.set(chunk.section, (given.get(chunk.section) ?? 0) + chunk.bytes.length);
      return findPointFault(chunk);
    };
    await reader.check({ pointCheck, bytesPerChunk: 300 });
    for (const name of ['ic', 'a', 'b1', 'b2', 'c', 'h'] as const) {
      assert.equal(given.get(name), reader.sectionBytes(name), name);
    }
    const doubtful = reader.check({
      pointCheck: ({ section, first }) =>
        section === 'c' && first > 0 ? { reason: 'off its curve', index: first + 1 } : undefined,
      bytesPerChunk: 128,
      pointCode: 'key_refused',
    });
    await assert.rejects(doubtful, isRefusal('key_refused', /C\[3\] is not on the curve/));
    await reader.check({ level: 'coefficients', pointCheck: () => assert.fail('no points are checked') });
  });

  it('refuses what is no file, and one that shrinks meanwhile', async () => {
    await assert.rejects(openZkey(join(dir, 'nowhere.zkey')), isRefusal('file_not_found', /nowhere/));
    await mkdir(join(dir, 'folder'));
    await assert.rejects(openZkey(join(dir, 'folder')), isRefusal('file_not_found', /not a file/));
    await writeFile(join(dir, 'shrinking.zkey'), zkey);
    await using reader = await openZkey(join(dir, 'shrinking.zkey'));
    await truncate(join(dir, 'shrinking.zkey'), zkey.length / 2);
    await assert.rejects(reader.check(), isRefusal('zkey_invalid', /shorter/));
  });
});
