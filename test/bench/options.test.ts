import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BenchFlags, parseBenchOptions } from '../../bench/index.ts';
import { fillCommand, parseCommandTemplate } from '../../bench/prover/prove/command-template.ts';

describe('the flags of a bench', () => {
  it('have defaults: depth 20, three launches, this Node', () => {
    const options = parseBenchOptions('prove', {});
    assert.deepEqual(options.names, ['prove']);
    assert.equal(options.depth, 20);
    assert.equal(options.launches, 3);
    assert.deepEqual(options.nodes, [process.execPath]);
    assert.equal(options.runs, undefined);
    assert.ok(options.threads >= 1);
  });

  it('are taken as they are given', () => {
    const options = parseBenchOptions('all', { depth: '4', threads: '3', runs: '7', launches: '1', node: 'a, b' });
    assert.deepEqual(options.names, [
      'prove',
      'prove-throughput',
      'setup',
      'verify',
      'verify-batch',
      'hash',
      'tree',
      'msm',
      'ntt',
      'field',
    ]);
    assert.deepEqual([options.depth, options.threads, options.runs, options.launches], [4, 3, 7, 1]);
    assert.deepEqual(options.nodes, ['a', 'b']);
  });

  const wrong: readonly (readonly [BenchFlags, string, string])[] = [
    [{ depth: '0' }, 'invalid_depth', 'depth'],
    [{ depth: '33' }, 'invalid_depth', 'depth'],
    [{ depth: '8,16' }, 'invalid_depth', 'depth'],
    [{ threads: '0' }, 'usage', 'threads'],
    [{ threads: '65' }, 'usage', 'threads'],
    [{ threads: '2.5' }, 'usage', 'threads'],
    [{ runs: '-1' }, 'usage', 'runs'],
    [{ runs: '1e3' }, 'usage', 'runs'],
    [{ launches: '1001' }, 'usage', 'launches'],
    [{ launches: 'many' }, 'usage', 'launches'],
    [{ node: 'a,,b' }, 'usage', 'node'],
    [{ 'vs-binary': '' }, 'usage', 'vs-binary'],
  ];
  for (const [flags, code, field] of wrong) {
    it(`are refused by name: ${JSON.stringify(flags)}`, () => {
      assert.throws(() => parseBenchOptions('prove', flags), { code, field });
    });
  }

  it('name a bench that there is', () => {
    assert.throws(() => parseBenchOptions('speed', {}), { code: 'usage', field: 'name', message: /prove-throughput/ });
    assert.throws(() => parseBenchOptions('toString', {}), { code: 'usage' });
  });

  it('put a binary beside prove alone', () => {
    const template = 'p {zkey} {wtns} {proof} {public}';
    assert.deepEqual(parseBenchOptions('prove', { 'vs-binary': template }).vsBinary?.length, 5);
    assert.throws(() => parseBenchOptions('msm', { 'vs-binary': template }), { code: 'usage', field: 'vs-binary' });
  });
});

describe('the command line of a foreign prover', () => {
  const paths = { zkey: 'k y', wtns: 'w', proof: 'p', public: '$(s)' };
  const filled = (template: string): string[] => fillCommand(parseCommandTemplate(template), paths);

  it('is split into words without a shell, and what is put in stays one word', () => {
    assert.deepEqual(filled('prover {zkey} {wtns} {proof} {public}'), ['prover', 'k y', 'w', 'p', '$(s)']);
    assert.deepEqual(filled('a;b --k={zkey} {wtns} {proof} {public} | > $HOME *'), [
      ...['a;b', '--k=k y', 'w', 'p', '$(s)', '|', '>', '$HOME', '*'],
    ]);
  });

  it('knows quotes and backslashes', () => {
    const all = '{zkey} {wtns} {proof} {public}';
    assert.deepEqual(filled(`'my prover' "a \\" b" c\\ d '' ${all}`).slice(0, 4), ['my prover', 'a " b', 'c d', '']);
  });

  it('is refused when it is not one', () => {
    for (const [template, why] of [
      [' ', /names no program/],
      ['p {zkey} {wtns} {proof}', /lacks \{public\}/],
      ['p {zkey} {wtns} {proof} {public} {vkey}', /unknown placeholder \{vkey\}/],
      ["p '{zkey} {wtns} {proof} {public}", /not closed/],
      ['p {zkey} {wtns} {proof} {public} \\', /ends in a backslash/],
    ] as const) {
      assert.throws(() => parseCommandTemplate(template), { code: 'usage', field: 'vs-binary', message: why });
    }
  });
});
