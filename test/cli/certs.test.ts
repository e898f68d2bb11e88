import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { zkraft } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'zkraft-cli-certs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('zkraft certs', () => {
  const dir = join(folder, 'new', 'certs');
  const at = (name: string): string => join(dir, name);
  const read = (name: string): X509Certificate => new X509Certificate(readFileSync(at(name)));

  it('makes an authority, and certificates that it signed, with keys for the owner alone', async () => {
    const made = await zkraft(['certs', 'init', '--dir', dir, '--json']);
    assert.deepEqual([made.code, made.stderr], [0, '']);
    assert.deepEqual(made.json(), {
      success: true,
      name: 'zkraft development authority',
      cert_file: at('ca.crt'),
      key_file: at('ca.key'),
    });
    const issued = await zkraft([
      'certs',
      'issue',
      'node-1',
      '--dir',
      dir,
      '--days',
      '7',
      '--hosts',
      'n1.example, 10.0.0.5',
    ]);
    assert.equal(issued.code, 0, issued.stderr);
    assert.match(issued.stdout, /node-1\.crt and .*node-1\.key are for node-1 \(n1\.example, 10\.0\.0\.5\)/);
    assert.ok(read('node-1.crt').verify(read('ca.crt').publicKey));
    assert.ok(read('node-1.crt').checkHost('n1.example') && read('node-1.crt').checkIP('10.0.0.5'));
    assert.deepEqual(readdirSync(dir).sort(), ['ca.crt', 'ca.key', 'node-1.crt', 'node-1.key'], 'nothing else is left');
    for (const name of ['ca.key', 'node-1.key']) assert.equal(statSync(at(name)).mode & 0o777, 0o600, name);
  });

  it('writes over nothing unless it is forced to', async () => {
    const before = readFileSync(at('node-1.crt'), 'utf8');
    for (const args of [['init'], ['issue', 'node-1']]) {
      const again = await zkraft(['certs', ...args, '--dir', dir, '--json']);
      assert.equal(again.code, 2);
      const { error } = again.json() as { error: { code: string; message: string } };
      assert.equal(error.code, 'file_exists');
      assert.match(error.message, /is there already; --force/);
    }
    assert.equal(readFileSync(at('node-1.crt'), 'utf8'), before);
    const forced = await zkraft(['certs', 'issue', 'node-1', '--dir', dir, '--force']);
    assert.equal(forced.code, 0, forced.stderr);
    assert.notEqual(readFileSync(at('node-1.crt'), 'utf8'), before);
    assert.equal(statSync(at('node-1.key')).mode & 0o777, 0o600);
    assert.ok(
      read('node-1.crt').checkPrivateKey(
        (await import('node:crypto')).createPrivateKey(readFileSync(at('node-1.key'))),
      ),
    );
  });

  it('says what is wrong with what it is given', async () => {
    const cases: [string[], RegExp][] = [
      [['issue', 'node-2', '--dir', join(folder, 'none')], /no authority in .*zkraft certs init/],
      [['issue', 'ca', '--dir', dir], /the authority's own name/],
      [['issue', 'no de', '--dir', dir], /letters, digits, dots/],
      [['issue', 'node-2', '--dir', dir, '--hosts', 'a b'], /neither a host's name nor an IP/],
      [['issue', 'node-2', '--dir', dir, '--days', 'many'], /--days many is not a whole number/],
      [[], /Name an action|Not enough/],
    ];
    for (const [args, says] of cases) {
      const { code, stderr } = await zkraft(['certs', ...args]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, says);
    }
  });
});
