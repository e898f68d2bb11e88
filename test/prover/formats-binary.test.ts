import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { ErrorCode } from '../../src/common/index.ts';
import {
  parseR1cs,
  parseWtns,
  parseZkey,
  R1CS_FORMAT,
  readContainer,
  verificationKeyFromZkey,
  viewOf,
  visitTerms,
  WTNS_FORMAT,
  witnessValue,
  writeContainer,
  writeWtns,
  writeZkey,
  ZKEY_FORMAT,
} from '../../src/prover/formats/index.ts';
import { Fq, Fr } from '../../src/prover/reference/index.ts';
import { singlePartySetup } from '../../src/prover/setup/index.ts';
import { chainCircuit, writeR1cs } from '../support/chain-circuit.ts';
import { isRefusal, refusalCode } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const circuit = chainCircuit(4);
const r1cs = circuit.r1cs;
const wtns = writeWtns(circuit.witness(5n, 6n));
let zkey: Uint8Array;

before(async () => {
  zkey = (await singlePartySetup(r1cs, { threads: 1 })).zkey;
});

const changed = (bytes: Uint8Array, change: (copy: Uint8Array, view: DataView) => void): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  change(copy, viewOf(copy));
  return copy;
};

/** Where each section's payload begins in the file. */
function offsets(bytes: Uint8Array): Map<number, { at: number; size: number }> {
  const view = viewOf(bytes);
  const sections = new Map<number, { at: number; size: number }>();
  for (let at = 12, i = 0; i < view.getUint32(8, true); i++) {
    const size = Number(view.getBigUint64(at + 4, true));
    sections.set(view.getUint32(at, true), { at: at + 12, size });
    at += 12 + size;
  }
  return sections;
}

const at = (bytes: Uint8Array, section: number, offset = 0): number => (offsets(bytes).get(section)?.at ?? 0) + offset;

describe('iden3 files', () => {
  const kinds = (): readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown, ErrorCode])[] => [
    ['r1cs', r1cs, parseR1cs, 'r1cs_invalid'],
    ['wtns', wtns, parseWtns, 'wtns_invalid'],
    ['zkey', zkey, (bytes) => parseZkey(bytes), 'zkey_invalid'],
    ['zkey for its verification key', zkey, verificationKeyFromZkey, 'zkey_invalid'],
  ];

  it('are refused with their code when they are cut anywhere or go on too long', () => {
    for (const [name, bytes, parse, code] of kinds()) {
      const cuts = new Set([0, 1, 3, 4, 7, 8, 11, 12, 13, 23, 24, bytes.length - 1]);
      for (const { at: begin, size } of offsets(bytes).values()) {
        for (const cut of [begin - 12, begin - 1, begin, begin + 1, begin + size - 1]) cuts.add(cut);
      }
      for (const cut of cuts) {
        assert.equal(
          refusalCode(() => parse(bytes.subarray(0, cut))),
          code,
          `${name} cut at ${cut}`,
        );
      }
      assert.equal(
        refusalCode(() => parse(Buffer.concat([bytes, new Uint8Array(1)]))),
        code,
        `${name} with a byte more`,
      );
    }
  });

  it('are refused, without large allocations, whatever lengths they claim', () => {
    const before = process.memoryUsage();
    for (const [name, bytes, parse, code] of kinds()) {
      const fields = [8, 12];
      for (const { at: begin, size } of offsets(bytes).values()) {
        fields.push(begin - 8, begin - 4);
        if (size >= 4) fields.push(begin);
      }
      for (const field of fields) {
        for (const value of [0xffffffff, 0x7fffffff, 0x10000000, 1000]) {
          const bad = changed(bytes, (_, view) => view.setUint32(field, value, true));
          // The first word of a point or a label is no length: full checks refuse the first, nobody reads the second.
          const refused = refusalCode(() => parse(bad));
          if (refused === undefined) assert.ok(isPayload(name, bytes, field), `${name} took ${value} at ${field}`);
          else assert.equal(refused, code);
        }
      }
    }
    const after = process.memoryUsage();
    assert.ok(after.arrayBuffers - before.arrayBuffers < 32 * 2 ** 20);
  });

  /** Whether the byte belongs to what that parser has no reason to look at. */
  function isPayload(name: string, bytes: Uint8Array, offset: number): boolean {
    const unread: Readonly<Record<string, readonly number[]>> = {
      r1cs: [3],
      wtns: [],
      zkey: [10],
      'zkey for its verification key': [4, 5, 6, 7, 8, 9, 10],
    };
    return [...offsets(bytes)].some(
      ([id, { at: begin, size }]) => unread[name]?.includes(id) && offset >= begin && offset < begin + size,
    );
  }

  it('never crash a parser: 400 random mutations are read or refused with the right code', () => {
    const random = new SeededRandom(7);
    const refusedOf = new Map<string, number>();
    for (const [name, bytes, parse, code] of kinds()) {
      for (let i = 0; i < 100; i++) {
        const bad = changed(bytes, (copy) => {
          const where = random.below(copy.length);
          if (i % 4 === 0) copy.fill(random.below(256), where, where + 1 + random.below(64));
          else if (i % 4 === 1) copy.copyWithin(where, random.below(copy.length), random.below(copy.length));
          else copy[where] = (copy[where] ?? 0) ^ (1 << random.below(8));
        });
        const refused = refusalCode(() => parse(bad));
        if (refused === undefined) continue;
        assert.equal(refused, code);
        refusedOf.set(name, (refusedOf.get(name) ?? 0) + 1);
      }
    }
    assert.ok((refusedOf.get('zkey') ?? 0) > 60, `zkey: ${refusedOf.get('zkey')}`);
    assert.ok((refusedOf.get('r1cs') ?? 0) > 30, `r1cs: ${refusedOf.get('r1cs')}`);
    assert.ok((refusedOf.get('wtns') ?? 0) > 20, `wtns: ${refusedOf.get('wtns')}`);
  });

  it('are refused when a section is double, unknown, missing or of the wrong file', () => {
    for (const [name, bytes, parse, code] of kinds()) {
      assert.equal(
        refusalCode(() => parse(changed(bytes, (copy) => copy.set([0x78])))),
        code,
        `${name} magic`,
      );
      assert.equal(
        refusalCode(() => parse(changed(bytes, (_, view) => view.setUint32(4, 9, true)))),
        code,
        `${name} version`,
      );
      const format = [R1CS_FORMAT, WTNS_FORMAT, ZKEY_FORMAT].find((f) => f.code === code) ?? R1CS_FORMAT;
      const sections = [...readContainer(bytes, format)];
      const [first] = sections;
      assert.ok(first);
      assert.equal(
        refusalCode(() => parse(writeContainer(format, [...sections, first]))),
        code,
        `${name} double`,
      );
      assert.equal(
        refusalCode(() => parse(writeContainer(format, [...sections, [11, new Uint8Array()]]))),
        code,
      );
      for (const [id] of sections) {
        const without = writeContainer(
          format,
          sections.filter(([other]) => other !== id),
        );
        const optional = (code === 'r1cs_invalid' && id === 3) || (code === 'zkey_invalid' && id === 10);
        assert.equal(
          refusalCode(() => parse(without)),
          optional ? undefined : code,
          `${name} without ${id}`,
        );
      }
      for (const [other, theirs] of kinds()) {
        if (theirs !== bytes)
          assert.equal(
            refusalCode(() => parse(theirs)),
            code,
            `${other} read as ${name}`,
          );
      }
    }
  });

  it('are refused when a section is shorter or longer than it should be, though the file is whole', () => {
    for (const [name, bytes, parse, code] of kinds()) {
      const format = [R1CS_FORMAT, WTNS_FORMAT, ZKEY_FORMAT].find((f) => f.code === code) ?? R1CS_FORMAT;
      const sections = [...readContainer(bytes, format)];
      for (const [id, payload] of sections) {
        if (code === 'zkey_invalid' && id === 10) continue;
        for (const resized of [
          new Uint8Array(),
          payload.subarray(0, 3),
          payload.subarray(0, payload.length - 1),
          payload.subarray(0, payload.length - 4),
          Buffer.concat([payload, new Uint8Array(4)]),
        ]) {
          const bad = sections.map(([other, whole]) => [other, other === id ? resized : whole] as const);
          assert.equal(
            refusalCode(() => parse(writeContainer(format, bad))),
            code,
            `${name}, section ${id}`,
          );
        }
      }
    }
    const cut = zkey.subarray(0, zkey.length - 100);
    assert.throws(() => parseZkey(cut), isRefusal('zkey_invalid', /only \d+ follow/));
  });

  it('may have their sections in any order', () => {
    const sections = [...readContainer(zkey, ZKEY_FORMAT)].reverse();
    assert.deepEqual(verificationKeyFromZkey(writeContainer(ZKEY_FORMAT, sections)), verificationKeyFromZkey(zkey));
  });

  it('are read where they stand in a larger buffer', () => {
    const larger = Buffer.concat([new Uint8Array(3), wtns, new Uint8Array(5)]);
    assert.equal(witnessValue(parseWtns(larger.subarray(3, 3 + wtns.length)), 3), 5n);
  });
});

describe('.r1cs', () => {
  it('gives counts and terms as they were written', () => {
    const parsed = parseR1cs(r1cs);
    assert.deepEqual(
      [parsed.wires, parsed.outputs, parsed.publicInputs, parsed.privateInputs, parsed.publics, parsed.constraints],
      [9, 1, 1, 2, 2, 5],
    );
    const seen: string[] = [];
    visitTerms(parsed, (matrix, row, wire, coefficient) => {
      if (row === 1) seen.push(`${'ABC'[matrix]} ${wire} ${coefficient}`);
    });
    assert.deepEqual(seen, ['A 5 1', 'A 0 1', 'B 5 1', 'B 2 1', 'B 2 1', 'C 6 1']);
    assert.deepEqual(parsed.terms, [9, 12, 5]);
  });

  it('says what is wrong', () => {
    const plain = { wires: 3, outputs: 1, publicInputs: 0, privateInputs: 1, rows: [] };
    const bls = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
    assert.throws(() => parseR1cs(writeR1cs({ ...plain, prime: bls })), isRefusal('r1cs_invalid', /--prime bn128/));
    assert.throws(() => parseR1cs(writeR1cs({ ...plain, wires: 2 })), isRefusal('r1cs_invalid', /2 wires/));
    const row = (wire: number, value: bigint) => parseR1cs(writeR1cs({ ...plain, rows: [[[[wire, value]], [], []]] }));
    assert.throws(() => row(3, 1n), isRefusal('r1cs_invalid', /wire 3 in row 0/));
    assert.throws(() => row(0, Fr.modulus), isRefusal('r1cs_invalid', /not below r/));
    assert.equal(row(2, Fr.modulus - 1n).constraints, 1);
    const gates = writeContainer(R1CS_FORMAT, [...readContainer(r1cs, R1CS_FORMAT), [4, Uint8Array.of(1, 0, 0, 0)]]);
    assert.throws(() => parseR1cs(gates), isRefusal('r1cs_invalid', /custom gates/));
  });
});

describe('.wtns', () => {
  it('gives the value of every wire', () => {
    const witness = parseWtns(wtns);
    assert.equal(witness.wires, 9);
    circuit.witness(5n, 6n).forEach((value, wire) => {
      assert.equal(witnessValue(witness, wire), value);
    });
  });

  it('says what is wrong without quoting a value', () => {
    assert.throws(
      () => parseWtns(writeWtns([1n, 4711n, Fr.modulus])),
      (thrown) => {
        isRefusal('wtns_invalid', /wire 2/)(thrown);
        assert.doesNotMatch(String(thrown), /4711|2188824/);
        return true;
      },
    );
    assert.throws(() => parseWtns(writeWtns([2n])), isRefusal('wtns_invalid', /constant one/));
    assert.throws(() => parseWtns(writeWtns([])), isRefusal('wtns_invalid', /no wires/));
  });
});

describe('.zkey', () => {
  it('is written as it was read', () => {
    assert.deepEqual(writeZkey(parseZkey(zkey)), zkey);
  });

  const coordinate = (bytes: Uint8Array, offset: number, value: bigint) =>
    changed(bytes, (_, view) => {
      for (let i = 0; i < 4; i++) view.setBigUint64(offset + 8 * i, (value >> BigInt(64 * i)) & (2n ** 64n - 1n), true);
    });

  it('is refused, by name, for any unsound point', () => {
    const cases: readonly (readonly [number, number, RegExp])[] = [
      [2, 84, /header/],
      [3, 64, /IC\[1\]/],
      [5, 0, /A\[0\]/],
      [6, 64 * 3, /B1\[3\]/],
      [7, 128 * 3, /B2\[3\]/],
      [8, 64, /C\[1\]/],
      [9, 64 * 7, /H\[7\]/],
    ];
    for (const [section, offset, name] of cases) {
      const where = at(zkey, section, offset);
      assert.throws(() => parseZkey(coordinate(zkey, where, Fq.modulus)), isRefusal('zkey_invalid', name));
      if (section !== 2) {
        assert.throws(() => parseZkey(coordinate(zkey, where, 5n)), isRefusal('zkey_invalid', name));
        assert.throws(() => parseZkey(coordinate(zkey, where, 5n)), isRefusal('zkey_invalid', /not on the/));
      }
    }
    for (const [section, offset, name] of [
      [2, 84, /alpha1/],
      [3, 0, /IC\[0\]/],
      [9, 0, /H\[0\]/],
    ] as const) {
      const infinite = changed(zkey, (copy) => copy.fill(0, at(zkey, section, offset), at(zkey, section, offset) + 64));
      assert.throws(() => parseZkey(infinite), isRefusal('zkey_invalid', name));
      assert.throws(() => parseZkey(infinite), isRefusal('zkey_invalid', /infinity/));
    }
  });

  it('has infinity for a wire that occurs nowhere, and that is sound', () => {
    const unused = at(zkey, 5, 64 * 4);
    assert.ok(zkey.subarray(unused, unused + 64).every((byte) => byte === 0));
  });

  it('is refused for coefficients that point nowhere', () => {
    const entry = at(zkey, 4, 4);
    for (const [offset, value, why] of [
      [0, 2, /matrix/],
      [4, 8, /row/],
      [8, 9, /wire/],
    ] as const) {
      const bad = changed(zkey, (_, view) => view.setUint32(entry + offset, value, true));
      assert.throws(() => parseZkey(bad, { level: 'coefficients' }), isRefusal('zkey_invalid', why));
      assert.doesNotThrow(() => parseZkey(bad, { level: 'header' }));
    }
    assert.throws(() => parseZkey(coordinate(zkey, entry + 12, Fr.modulus)), isRefusal('zkey_invalid', /not below r/));
  });

  it('is refused for other protocols, moduli, and domains that are no power of two', () => {
    const u32 = (offset: number, value: number) => changed(zkey, (_, view) => view.setUint32(offset, value, true));
    assert.throws(() => parseZkey(u32(at(zkey, 1), 2)), isRefusal('zkey_invalid', /Groth16/));
    assert.throws(() => parseZkey(u32(at(zkey, 2), 48)), isRefusal('zkey_invalid', /48 bytes/));
    assert.throws(() => parseZkey(u32(at(zkey, 2, 4), 1)), isRefusal('zkey_invalid', /modulus q/));
    assert.throws(() => parseZkey(u32(at(zkey, 2, 40), 1)), isRefusal('zkey_invalid', /modulus r/));
    for (const size of [0, 1, 7, 2 ** 29]) {
      assert.throws(() => parseZkey(u32(at(zkey, 2, 80), size)), isRefusal('zkey_invalid', /domain/));
    }
    assert.throws(() => parseZkey(u32(at(zkey, 2, 76), 9)), isRefusal('zkey_invalid', /public/));
  });
});
