import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeKvCommand,
  encodeKvCommand,
  type KvCommand,
  KvMachine,
  kvResultCodec,
} from '../../../src/raft/kv/index.ts';

const words = fc.string({ unit: 'grapheme', maxLength: 6 });
const keys = fc.constantFrom('a', 'b', 'c', '', 'ключ');
const commands: fc.Arbitrary<KvCommand> = fc.oneof(
  fc.record(
    { kind: fc.constantFrom('put' as const, 'append' as const), key: keys, value: words },
    { noNullPrototype: true },
  ),
  fc.record({ kind: fc.constant('delete' as const), key: keys }, { noNullPrototype: true }),
);

const applied = (machine: KvMachine, list: readonly KvCommand[]): string[] =>
  list.map((command, i) => machine.apply({ index: i + 1, term: 1, data: encodeKvCommand(command) }));

describe('a key-value command', () => {
  it('comes out as it went in', () => {
    fc.assert(fc.property(commands, (command) => assert.deepEqual(decodeKvCommand(encodeKvCommand(command)), command)));
    const marked: KvCommand = { kind: 'put', key: '\ufeffkey', value: '\ufeffvalue' };
    assert.deepEqual(decodeKvCommand(encodeKvCommand(marked)), marked);
  });

  it('of bytes that say nothing is undefined, whatever the bytes', () => {
    for (const bytes of [
      [],
      [1],
      [1, 0, 0, 0],
      [0, 0, 0, 0, 0],
      [4, 0, 0, 0, 0],
      [1, 0, 0, 0, 1],
      [2, 255, 255, 255, 255],
    ])
      assert.equal(decodeKvCommand(Uint8Array.from(bytes)), undefined, String(bytes));
    assert.equal(decodeKvCommand(Uint8Array.of(3, 0, 0, 0, 1, 97, 98)), undefined, 'a deletion with a value');
    assert.equal(decodeKvCommand(Uint8Array.of(1, 0, 0, 0, 1, 0xff)), undefined, 'a key that is no UTF-8');
    assert.equal(decodeKvCommand(Uint8Array.of(1, 0, 0, 0, 1, 97, 0xc3)), undefined, 'a value that is no UTF-8');
    fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => void decodeKvCommand(bytes)));
  });

  it('with half a surrogate pair is refused, since it has no bytes', () => {
    assert.throws(() => encodeKvCommand({ kind: 'put', key: 'k', value: '\ud800' }), { code: 'invalid_request' });
    assert.throws(() => encodeKvCommand({ kind: 'delete', key: '\udc00' }), { code: 'invalid_request' });
  });
});

describe('the key-value machine', () => {
  it('gives the value before each command', () => {
    const machine = new KvMachine();
    const before = applied(machine, [
      { kind: 'append', key: 'k', value: 'a' },
      { kind: 'append', key: 'k', value: 'b' },
      { kind: 'put', key: 'k', value: 'c' },
      { kind: 'put', key: 'other', value: 'x' },
      { kind: 'delete', key: 'k' },
      { kind: 'delete', key: 'k' },
    ]);
    assert.deepEqual(before, ['', 'a', 'ab', '', 'c', '']);
    assert.deepEqual([machine.get('k'), machine.get('other'), machine.size], ['', 'x', 1]);
  });

  it('lets an entry without data, and bytes that are no command, change nothing', () => {
    const machine = new KvMachine();
    applied(machine, [{ kind: 'put', key: 'k', value: 'v' }]);
    const hash = machine.hash();
    for (const data of [new Uint8Array(0), Uint8Array.of(9, 9, 9), Uint8Array.of(1, 255, 255, 255, 255, 1)])
      assert.equal(machine.apply({ index: 2, term: 1, data }), '');
    assert.equal(machine.hash(), hash);
  });

  it('is what a Map is, and the same after a snapshot', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 30 }), (list) => {
        const machine = new KvMachine();
        const model = new Map<string, string>();
        applied(machine, list).forEach((before, i) => {
          const command = list[i] as KvCommand;
          assert.equal(before, model.get(command.key) ?? '');
          if (command.kind === 'delete') model.delete(command.key);
          else model.set(command.key, command.kind === 'put' ? command.value : before + command.value);
        });
        const copy = new KvMachine();
        copy.restore(machine.snapshot());
        for (const key of [...model.keys(), 'never']) {
          assert.equal(machine.get(key), model.get(key) ?? '');
          assert.equal(copy.get(key), model.get(key) ?? '');
        }
        assert.deepEqual(copy.snapshot(), machine.snapshot());
        assert.equal(copy.size, model.size);
      }),
    );
  });

  it('has one snapshot and one hash for a state, whatever way led to it', () => {
    const [one, two] = [new KvMachine(), new KvMachine()];
    applied(one, [
      { kind: 'put', key: 'b', value: '2' },
      { kind: 'put', key: 'a', value: '1' },
    ]);
    applied(two, [
      { kind: 'put', key: 'gone', value: 'x' },
      { kind: 'put', key: 'a', value: '' },
      { kind: 'append', key: 'a', value: '1' },
      { kind: 'put', key: 'b', value: '2' },
      { kind: 'delete', key: 'gone' },
    ]);
    assert.deepEqual(one.snapshot(), two.snapshot());
    assert.equal(one.hash(), two.hash());
    const before = one.hash();
    applied(one, [{ kind: 'append', key: 'b', value: '3' }]);
    assert.notEqual(one.hash(), before);
    one.restore(two.snapshot());
    assert.equal(one.hash(), before);
  });

  it('refuses a snapshot that it did not make, and stays what it was', () => {
    const machine = new KvMachine();
    applied(machine, [{ kind: 'put', key: 'k', value: 'value' }]);
    const whole = machine.snapshot();
    const bad = [whole.subarray(0, 4), whole.subarray(0, 7), whole.subarray(0, whole.length - 1)];
    bad.push(Uint8Array.of(...whole, 0), Uint8Array.of(2, ...whole.subarray(1)));
    for (const bytes of bad) assert.throws(() => machine.restore(bytes), { code: 'log_corrupt' }, String(bytes));
    assert.deepEqual(machine.snapshot(), whole);
  });
});

describe('the codec of results', () => {
  it('gives back what it was given', () => {
    for (const result of ['', 'value', 'Größe', '\ufeffmark'])
      assert.equal(kvResultCodec.decode(kvResultCodec.encode(result)), result);
  });
});
