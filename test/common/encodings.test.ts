import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ERROR_TABLE,
  formatDurationMs,
  fromBytesBE,
  packElements,
  parseDurationMs,
  parseElement,
  Q,
  R,
  toBytesBE,
  unpackElements,
  ZkraftError,
} from '../../src/common/index.ts';

const refused = (code: string) => (error: unknown) => error instanceof ZkraftError && error.code === code;

describe('a field element', () => {
  it('is read from canonical decimal and hex text', () => {
    assert.equal(parseElement('0', 'x'), 0n);
    assert.equal(parseElement('42', 'x'), 42n);
    assert.equal(parseElement('0x2A', 'x'), 42n);
    assert.equal(parseElement(`0x${'0'.repeat(62)}2a`, 'x'), 42n);
    assert.equal(parseElement(String(R - 1n), 'x'), R - 1n);
  });

  it('is refused, never reduced, when it is malformed or not below r', () => {
    const bad = [
      '',
      ' 1',
      '1 ',
      '01',
      '+1',
      '-1',
      '1.0',
      '1e3',
      '0x',
      '0X1',
      `0x${'0'.repeat(65)}`,
      'abc',
      '１',
      `${R}`,
      `0x${R.toString(16)}`,
      `${Q}`,
    ];
    for (const text of bad)
      assert.throws(
        () => parseElement(text, 'leaves[3]', 'invalid_leaf'),
        refused('invalid_leaf'),
        JSON.stringify(text),
      );
    for (const value of [1, 1n, null, undefined, [], {}, true])
      assert.throws(() => parseElement(value, 'x'), refused('invalid_input'));
    assert.throws(
      () => parseElement('9'.repeat(1_000_000), 'x'),
      (error) => error instanceof ZkraftError && error.message.length < 400,
    );
    assert.throws(() => parseElement('z', 'leaves[3]'), /leaves\[3\]/);
  });

  it('survives text and bytes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: R - 1n }), (value) => {
        assert.equal(parseElement(String(value), 'x'), value);
        assert.equal(parseElement(`0x${value.toString(16)}`, 'x'), value);
        assert.equal(toBytesBE(value).length, 32);
        assert.equal(fromBytesBE(toBytesBE(value)), value);
      }),
    );
  });

  it('is refused in bytes too when it is not below r', () => {
    assert.deepEqual(unpackElements(packElements([1n, R - 1n]), 'leaves'), [1n, R - 1n]);
    assert.throws(() => unpackElements(packElements([1n, R]), 'leaves'), /leaves\[1\]/);
    assert.throws(() => unpackElements(new Uint8Array(33), 'leaves'), refused('invalid_input'));
  });
});

describe('a duration', () => {
  it('is a number and a unit', () => {
    assert.equal(parseDurationMs('50ms'), 50);
    assert.equal(parseDurationMs('1s'), 1000);
    assert.equal(parseDurationMs('5m'), 300_000);
    assert.equal(parseDurationMs('2h'), 7_200_000);
    for (const text of ['', '5', 's', '1 s', '1.5s', '-1s', '1d', '1000000000000s'])
      assert.throws(() => parseDurationMs(text), refused('invalid_request'));
  });

  it('is written as it is read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), (ms) =>
        assert.equal(parseDurationMs(formatDurationMs(ms)), ms),
      ),
    );
  });
});

describe('an error', () => {
  it('crosses threads and the wire as plain JSON', () => {
    const error = new ZkraftError('invalid_leaf', 'leaf 3 is zero', { field: 'leaves[3]' });
    const back = ZkraftError.fromJSON(JSON.parse(JSON.stringify(error)));
    assert.deepEqual(
      [back.code, back.message, back.field, back.retryable],
      ['invalid_leaf', 'leaf 3 is zero', 'leaves[3]', false],
    );
    const cloned = Object.assign(new Error('gone'), { code: 'prover_crashed' });
    assert.equal(ZkraftError.from(cloned).code, 'prover_crashed');
    assert.equal(ZkraftError.from(Object.assign(new Error('x'), { code: 'ENOENT' })).code, 'internal');
    assert.equal(ZkraftError.from('text').code, 'internal');
  });

  it('has an HTTP status, an exit code and a text for every code', () => {
    for (const [code, row] of Object.entries(ERROR_TABLE)) {
      assert.match(code, /^[a-z0-9_]+$/);
      assert.ok(row.http >= 400 && row.http < 600, code);
      assert.ok([1, 2, 3, 4, 130].includes(row.exit), code);
      assert.match(row.text, /^[A-Z'"].*[.!]$/, code);
    }
  });
});
