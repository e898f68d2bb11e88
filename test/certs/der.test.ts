import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { der, integer, oid, TAG, time, valuesIn } from '../../src/certs/der.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('DER', () => {
  it('has the lengths of X.690 8.1.3: one byte below 128, else as many as it takes', () => {
    const head = (length: number): string => hex(der(TAG.octetString, Buffer.alloc(length)).subarray(0, 4));
    assert.deepEqual([0, 127, 128, 255, 256, 65_535].map(head), [
      '0400',
      '047f0000',
      '04818000',
      '0481ff00',
      '04820100',
      '0482ffff',
    ]);
  });

  it('has integers as short as can be, and never negative', () => {
    const written = (...bytes: number[]): string => hex(integer(Buffer.from(bytes)));
    assert.deepEqual(
      [written(), written(0), written(0, 0, 1), written(0x7f), written(0x80), written(0, 0xff), written(1, 0)],
      ['020100', '020100', '020101', '02017f', '02020080', '020200ff', '02020100'],
    );
  });

  it('has object identifiers in base 128', () => {
    assert.equal(hex(oid('1.2.840.10045.4.3.2')), '06082a8648ce3d040302');
    assert.equal(hex(oid('2.5.29.17')), '0603551d11');
    assert.equal(hex(oid('1.2.127.128.16384')), '06072a7f8100818000');
  });

  it('has years to 2049 with two digits and later ones with four', () => {
    const text = (iso: string): string => {
      const value = time(new Date(iso));
      return `${value[0]} ${value.subarray(2).toString()}`;
    };
    assert.equal(text('2049-12-31T23:59:59.999Z'), `${TAG.utcTime} 491231235959Z`);
    assert.equal(text('2050-01-01T00:00:00Z'), `${TAG.generalizedTime} 20500101000000Z`);
  });

  it('is read as it was written, and what is cut short or endless is refused', () => {
    const item = fc.record({ tag: fc.constantFrom(2, 4, 48), content: fc.uint8Array({ maxLength: 400 }) });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 5 }), (items) => {
        const values = valuesIn(Buffer.concat(items.map(({ tag, content }) => der(tag, content))));
        assert.deepEqual(
          values.map(({ tag, content }) => [tag, hex(content)]),
          items.map(({ tag, content }) => [tag, hex(content)]),
        );
      }),
    );
    for (const broken of ['04', '0402ff', '0480', '0481', '04850000000001', '0482ffff00']) {
      assert.throws(() => valuesIn(Buffer.from(broken, 'hex')), { code: 'config_invalid' }, broken);
    }
  });
});
