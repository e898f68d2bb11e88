import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type KvInput, type KvOperation, kvModel } from '../../../src/raft/sim/kv-model.ts';
import { checkHistory, type Model, type Operation } from '../../../src/raft/sim/linearizability.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { hasOrder, isOrderOf, sequentialHistory } from './histories.ts';

const NEVER = Number.POSITIVE_INFINITY;

const did = (client: number, input: KvInput, output: string | undefined, call: number, end: number): KvOperation => ({
  client,
  input,
  output,
  call,
  return: end,
});
const put = (value: string, key = 'k'): KvInput => ({ kind: 'put', key, value });
const append = (value: string, key = 'k'): KvInput => ({ kind: 'append', key, value });
const get = (key = 'k'): KvInput => ({ kind: 'get', key });
const verdict = (history: readonly KvOperation[]): string => checkHistory(kvModel, history).verdict;

describe('a history that one map could have given', () => {
  const good: Readonly<Record<string, readonly KvOperation[]>> = {
    'of nothing': [],
    'one after the other': [did(1, put('a'), '', 0, 1), did(1, get(), 'a', 2, 3), did(2, append('b'), 'a', 4, 5)],
    'a read beside a write, of the value after': [did(1, put('a'), '', 0, 10), did(2, get(), 'a', 1, 2)],
    'a read beside a write, of the value before': [did(1, put('a'), '', 0, 10), did(2, get(), '', 8, 9)],
    'two writes side by side, in the order of neither call': [
      did(1, put('a'), 'b', 0, 10),
      did(2, put('b'), '', 1, 9),
      did(3, get(), 'a', 11, 12),
    ],
    'a call at the moment of a return, which is beside it': [did(1, put('a'), '', 0, 5), did(2, get(), '', 5, 6)],
    'a write of unknown outcome that took effect much later': [
      did(1, put('a'), undefined, 0, NEVER),
      did(2, get(), '', 5, 6),
      did(2, put('b'), '', 7, 8),
      did(2, get(), 'a', 20, 21),
    ],
    'a write of unknown outcome that never took effect': [
      did(1, put('a'), undefined, 0, NEVER),
      did(2, append('b'), '', 5, 6),
      did(2, get(), 'b', 7, 8),
    ],
    'a write that returned, and of whose answer nothing is known': [
      did(1, put('a'), '', 0, 1),
      did(1, append('b'), undefined, 2, 3),
      did(2, get(), 'ab', 4, 5),
    ],
    'a deletion': [
      did(1, put('a'), '', 0, 1),
      did(1, { kind: 'delete', key: 'k' }, 'a', 2, 3),
      did(2, get(), '', 4, 5),
    ],
    'of keys that have nothing to do with one another': [
      did(1, put('a', 'x'), '', 0, 1),
      did(1, put('b', 'y'), '', 2, 3),
      did(2, get('x'), 'a', 4, 5),
      did(2, get('y'), 'b', 6, 7),
    ],
  };
  for (const [name, history] of Object.entries(good)) it(name, () => assert.equal(verdict(history), 'linearizable'));
});

describe('a history that no one map could have given', () => {
  const bad: Readonly<Record<string, readonly KvOperation[]>> = {
    'a read of what was overwritten before it began': [
      did(1, put('a'), '', 0, 1),
      did(1, put('b'), 'a', 2, 3),
      did(2, get(), 'a', 4, 5),
    ],
    'a lost update: two appends over the same value': [
      did(1, append('a'), '', 0, 10),
      did(2, append('b'), '', 1, 9),
      did(3, get(), 'a', 11, 12),
    ],
    'an acknowledged write that is not there': [did(1, put('a'), '', 0, 1), did(2, get(), '', 2, 3)],
    'a read of a value that was never written': [did(1, put('a'), '', 0, 10), did(2, get(), 'c', 1, 9)],
    'a read of a value that is only written afterwards': [did(2, get(), 'a', 0, 1), did(1, put('a'), '', 2, 3)],
    'an append that was applied twice': [did(1, append('a'), '', 0, 1), did(2, get(), 'aa', 2, 3)],
    'reads that go back, beside one write': [
      did(1, put('a'), '', 0, 100),
      did(2, get(), 'a', 1, 2),
      did(3, get(), '', 3, 4),
    ],
    'a write of unknown outcome that was seen, and then gone': [
      did(1, put('a'), undefined, 0, NEVER),
      did(2, get(), 'a', 5, 6),
      did(3, get(), '', 7, 8),
    ],
    'an append of unknown outcome that took effect twice': [
      did(1, append('a'), undefined, 0, NEVER),
      did(2, get(), 'a', 5, 6),
      did(3, get(), 'aa', 7, 8),
    ],
    'a write of unknown outcome that was seen before its call': [
      did(2, get(), 'a', 0, 1),
      did(1, put('a'), undefined, 2, NEVER),
    ],
    'a write that returned without an answer and is not there': [
      did(1, put('a'), '', 0, 1),
      did(1, append('b'), undefined, 2, 3),
      did(2, get(), 'a', 4, 5),
    ],
  };
  for (const [name, history] of Object.entries(bad)) it(name, () => assert.equal(verdict(history), 'violation'));

  it('says how far an order goes, and which operation has no place in it', () => {
    const history = [
      did(1, put('a'), '', 0, 1),
      did(2, get('other'), '', 0, 9),
      did(1, put('b'), 'a', 2, 5),
      did(2, get(), 'b', 3, 4),
      did(3, get(), 'a', 6, 7),
      did(3, get(), 'b', 8, 9),
    ];
    const found = checkHistory(kvModel, history);
    assert.ok(found.verdict === 'violation');
    assert.deepEqual(found.linearized, [history[0], history[2], history[3]]);
    assert.deepEqual(found.misfits, [history[4]]);
  });

  it('names what was beside it too', () => {
    const history = [did(1, put('a'), undefined, 0, NEVER), did(2, get(), 'c', 1, 9), did(3, put('b'), 'b', 2, 20)];
    const found = checkHistory(kvModel, history);
    assert.ok(found.verdict === 'violation');
    assert.equal(found.misfits[0], history[1]);
    assert.ok(found.misfits.includes(history[2] as KvOperation));
  });
});

/** A counter that takes one step up if it is asked with what it is, and otherwise refuses: not total without an output. */
const counter: Model<number, number, 'stepped'> = {
  initial: 0,
  step: (state, from) => ({ ok: state === from, state: state + 1 }),
  key: String,
};

describe('the check', () => {
  it('takes any model, and leaves out what never returned and never could have taken effect', () => {
    const step = (from: number, call: number, end: number): Operation<number, 'stepped'> => ({
      ...{ client: call, input: from, output: end === NEVER ? undefined : 'stepped', call, return: end },
    });
    assert.equal(checkHistory(counter, [step(1, 0, 9), step(7, 1, NEVER), step(0, 2, 8)]).verdict, 'linearizable');
    assert.equal(checkHistory(counter, [step(1, 0, 1), step(0, 2, 8)]).verdict, 'violation');
  });

  it('refuses an operation that returned before it was called', () => {
    assert.throws(() => verdict([did(1, get(), '', 2, 1)]), { code: 'invalid_request' });
    assert.throws(() => verdict([did(1, get(), '', 2, Number.NaN)]), { code: 'invalid_request' });
  });

  it('gives up after so many steps, and does not call that a violation', () => {
    const writes = Array.from({ length: 12 }, (_, i) => did(i, append(String.fromCharCode(97 + i)), undefined, 0, 100));
    const history = [...writes, did(99, get(), 'never', 101, 102)];
    const found = checkHistory(kvModel, history, { maxSteps: 1_000 });
    assert.equal(found.verdict, 'undecided');
    assert.equal(found.steps, 1_000);
    assert.ok(found.verdict === 'undecided' && found.misfits.length > 0);
  });

  it('finds a violation in one partition though another is undecided', () => {
    const writes = Array.from({ length: 12 }, (_, i) => did(i, append(String.fromCharCode(97 + i)), undefined, 0, 100));
    const history = [...writes, did(99, get(), 'never', 101, 102), did(1, get('other'), 'never', 0, 1)];
    assert.equal(checkHistory(kvModel, history, { maxSteps: 1_000 }).verdict, 'violation');
  });

  it('remembers where it was: writes in any order that lead to the same state are looked at once', () => {
    // 10! orders of these, but only 2^10 sets, each with one value at the end.
    const writes = Array.from({ length: 10 }, (_, i) => did(i, put('same'), undefined, 0, 100));
    const found = checkHistory(kvModel, [...writes, did(99, get(), 'never', 101, 102)]);
    assert.equal(found.verdict, 'violation');
    assert.ok(found.steps < 2 ** 10 * 11, `${found.steps} steps`);
  });
});

describe('random histories', () => {
  const shapes = fc.record({
    seed: fc.integer(),
    operations: fc.integer({ min: 1, max: 6 }),
    clients: fc.integer({ min: 1, max: 4 }),
    keys: fc.integer({ min: 1, max: 2 }),
    unknownPart: fc.constantFrom(0, 0.3),
  });

  it('of a real map with overlapping intervals have an order, and the order that is given explains them', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 120 }), (shape, operations) => {
        const history = sequentialHistory({ ...shape, operations, clients: 5, unknownPart: shape.unknownPart / 3 });
        const found = checkHistory(kvModel, history);
        assert.ok(found.verdict === 'linearizable');
        const parts = kvModel.partition?.(history) ?? [];
        assert.equal(found.orders.length, parts.length);
        for (const [i, part] of parts.entries()) assert.ok(isOrderOf(kvModel, part, found.orders[i] ?? []));
      }),
    );
  });

  it('with one answer changed are judged as by trying every order', () => {
    let violations = 0;
    let orders = 0;
    fc.assert(
      fc.property(shapes, (shape) => {
        const random = new SeededRandom(shape.seed);
        const history = sequentialHistory(shape);
        const at = random.below(history.length);
        const other = history[random.below(history.length)] as KvOperation;
        const answer = random.below(2) === 0 ? (other.output ?? '') : `${other.output}x`;
        const changed = history.map((operation, i) =>
          i === at && operation.output !== undefined ? { ...operation, output: answer } : operation,
        );
        const expected = (kvModel.partition?.(changed) ?? []).every((part) => hasOrder(kvModel, part));
        if (expected) orders += 1;
        else violations += 1;
        assert.equal(verdict(changed), expected ? 'linearizable' : 'violation');
      }),
      { numRuns: 1_500 },
    );
    assert.ok(violations > 300 && orders > 300, `${violations} violations, ${orders} with an order`);
  });

  it('with one read of what was never written are violations, and the read is named', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const history = sequentialHistory({ seed, operations: 200, clients: 5, keys: 10, unknownPart: 0.02 });
      const at = history.findIndex(({ input, output }, i) => i > 100 && input.kind === 'get' && output !== undefined);
      const changed = history.map((operation, i) => (i === at ? { ...operation, output: 'never written' } : operation));
      const found = checkHistory(kvModel, changed);
      assert.ok(found.verdict === 'violation', `seed ${seed}`);
      assert.equal(found.misfits[0], changed[at], `seed ${seed}`);
    }
  });

  it('of 2,000 operations by 5 clients over 40 keys take a few steps for each', () => {
    for (let seed = 1; seed <= 3; seed += 1) {
      const history = sequentialHistory({ seed, operations: 2_000, clients: 5, keys: 40, unknownPart: 0.01 });
      const found = checkHistory(kvModel, history);
      assert.equal(found.verdict, 'linearizable');
      assert.ok(found.steps < 20 * history.length, `${found.steps} steps`);
    }
  });
});
