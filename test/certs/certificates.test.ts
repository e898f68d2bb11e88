import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { type CertificatePair, issueCertificate, makeAuthority } from '../../src/certs/index.ts';
import { makeAuthority as opensslAuthority, WITHOUT_OPENSSL } from '../support/certificates.ts';

const dir = mkdtempSync(join(tmpdir(), 'zkraft-certs-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const NOW = new Date();
const HOSTS = ['localhost', '127.0.0.1', '::1', 'fe80::a:b', '2001:db8::', '*.example.org', 'c1.example.org'];
const DAY_MS = 86_400_000;
const authority = makeAuthority('test authority', { now: NOW, days: 10 });
const issue = (name: string, hosts: readonly string[] = HOSTS, days = 5): CertificatePair =>
  issueCertificate(authority, name, hosts, { now: NOW, days });

describe('a certificate', () => {
  it('says of whom it is, where, by whom and how long, as Node reads it', () => {
    const [ca, node] = [new X509Certificate(authority.cert), new X509Certificate(issue('node-1').cert)];
    assert.deepEqual([ca.ca, node.ca], [true, false]);
    assert.equal(node.subject, 'CN=node-1');
    assert.equal(node.issuer, 'CN=test authority');
    assert.ok(node.checkIssued(ca));
    assert.ok(node.verify(ca.publicKey) && ca.verify(ca.publicKey) && !ca.verify(node.publicKey));
    for (const host of ['localhost', 'node-1', 'c1.example.org', 'any.example.org'])
      assert.ok(node.checkHost(host), host);
    for (const ip of ['127.0.0.1', '::1', 'fe80::a:b', '2001:db8::']) assert.ok(node.checkIP(ip), ip);
    assert.equal(node.checkHost('elsewhere.example.com'), undefined);
    assert.equal(node.checkIP('127.0.0.2'), undefined);
    assert.deepEqual(node.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    const second = Math.floor(NOW.getTime() / 1_000) * 1_000;
    assert.equal(Date.parse(node.validTo), second + 5 * DAY_MS);
    assert.equal(Date.parse(node.validFrom), second - 3_600_000, 'clocks differ');
    assert.equal(Date.parse(ca.validTo), second + 10 * DAY_MS);
  });

  it('never outlives its authority', () => {
    const [ca, node] = [new X509Certificate(authority.cert), new X509Certificate(issue('node-1', HOSTS, 3_000).cert)];
    assert.equal(node.validTo, ca.validTo);
  });

  it('has a key and a serial number of its own', () => {
    const all = [issue('node-1'), issue('node-1'), authority].map(({ cert }) => new X509Certificate(cert));
    assert.equal(new Set(all.map(({ serialNumber }) => serialNumber)).size, 3);
    assert.equal(new Set(all.map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' }))).size, 3);
    for (const { serialNumber } of all) assert.match(serialNumber, /^[4-7][0-9A-F]{31}$/);
  });

  it('of any name and any addresses is read as it was written', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/);
    const given = fc.record({
      name,
      v4: fc.ipV4(),
      v6: fc.ipV6(),
      host: fc.domain(),
      years: fc.integer({ min: 1, max: 99 }),
    });
    fc.assert(
      fc.property(given, ({ name, v4, v6, host, years }) => {
        const long = makeAuthority(name, { now: NOW, days: years * 365 });
        const pair = issueCertificate(long, name, [v4, v6, host], { now: NOW, days: years * 365 });
        const read = new X509Certificate(pair.cert);
        assert.equal(read.subject, `CN=${name}`);
        assert.ok(
          read.checkIP(v4) && read.checkIP(v6) && read.checkHost(host),
          `${v4} ${v6} ${host}: ${read.subjectAltName}`,
        );
        assert.ok(read.verify(new X509Certificate(long.cert).publicKey));
        assert.equal(read.validTo, new X509Certificate(long.cert).validTo);
        assert.equal(Date.parse(read.validTo), Math.floor(NOW.getTime() / 1_000) * 1_000 + years * 365 * DAY_MS);
      }),
      { numRuns: 60 },
    );
  });

  it('lets both ends of a connection know one another', async () => {
    const [server, client] = [issue('server'), issue('client')];
    const listener = createServer({ ...server, ca: authority.cert, requestCert: true, rejectUnauthorized: true });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const seen = once(listener, 'secureConnection') as Promise<[TLSSocket]>;
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...client, ca: authority.cert });
    await once(socket, 'secureConnect');
    const [accepted] = await seen;
    assert.deepEqual([socket.authorized, socket.getPeerCertificate().subject.CN], [true, 'server']);
    assert.deepEqual([accepted.authorized, accepted.getPeerCertificate().subject.CN], [true, 'client']);
    socket.destroy();
    accepted.destroy();
    // One of another authority is not let in.
    const other = makeAuthority('test authority', { now: NOW, days: 1 });
    const stranger = issueCertificate(other, 'client', [], { now: NOW, days: 1 });
    const outside = connect({ host: '127.0.0.1', port, servername: 'localhost', ...stranger, ca: authority.cert });
    let lateLetIn = 0;
    listener.on('secureConnection', () => {
      lateLetIn += 1;
    });
    const said: string[] = [];
    outside.on('error', (error) => said.push(error.message)).resume();
    await once(outside, 'close', { signal: AbortSignal.timeout(5_000) });
    assert.equal(lateLetIn, 0, said.join());
    outside.destroy();
    listener.close();
  });

  it('passes the strict checks of openssl, in any century', { skip: WITHOUT_OPENSSL }, () => {
    for (const days of [1, 30 * 365, 36_500]) {
      const ca = makeAuthority('test authority', { now: NOW, days });
      const node = issueCertificate(ca, 'node-1', HOSTS, { now: NOW, days });
      assert.match(verify(ca.cert, node.cert), /OK/);
      const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: node.cert, encoding: 'utf8' });
      assert.match(text, /Digital Signature/);
      assert.match(text, /IP Address:2001:DB8:0:0:0:0:0:0/);
      assert.match(
        execFileSync('openssl', ['ec', '-noout', '-text'], { input: node.key, encoding: 'utf8', stdio: 'pipe' }),
        /P-256/,
      );
    }
    const [ca, other] = [authority, makeAuthority('test authority', { now: NOW, days: 1 })];
    assert.throws(() => verify(other.cert, issueCertificate(ca, 'x', [], { now: NOW, days: 1 }).cert), 'it can fail');
  });

  it('is issued by an authority of openssl as well, and verifies there', { skip: WITHOUT_OPENSSL }, () => {
    const foreign = opensslAuthority(dir, 'foreign authority');
    const ca = { cert: readFileSync(foreign.cert, 'utf8'), key: readFileSync(foreign.key, 'utf8') };
    const node = issueCertificate(ca, 'node-1', HOSTS, { now: new Date(), days: 1 });
    // Its certificate has no key usage, which the strict checks miss.
    assert.match(verify(ca.cert, node.cert, []), /OK/);
    assert.ok(new X509Certificate(node.cert).checkIssued(new X509Certificate(ca.cert)));
  });
});

describe('nothing is issued', () => {
  const usage = (message: RegExp) => ({ code: 'usage', message });

  it('to a name that is none, for hosts that are none, or for no time', () => {
    for (const name of ['', 'a b', '../ca', '-a', 'a'.repeat(65), 'ä', 'a/b', '.a', 'a.']) {
      assert.throws(() => issue(name), usage(/letters, digits, dots/), name);
    }
    for (const host of [
      '',
      'a b',
      '-a.example',
      'a..b',
      '1.2.3',
      '256.1.1.1',
      '*',
      '*.org',
      'a.*.b',
      `${'a'.repeat(64)}.org`,
    ]) {
      assert.throws(() => issue('node-1', [host]), usage(/neither a host's name nor an IP address/), host);
    }
    assert.throws(
      () =>
        issue(
          'node-1',
          Array.from({ length: 65 }, (_, i) => `h${i}`),
        ),
      usage(/may name 64/),
    );
    for (const days of [0, -1, 1.5, 36_501, Number.NaN]) {
      assert.throws(() => issue('node-1', [], days), usage(/whole number from 1 to 36500/), `${days}`);
    }
    assert.throws(() => makeAuthority('', { now: NOW, days: 1 }), usage(/1 to 64 printable/));
    assert.throws(() => makeAuthority('a\nb', { now: NOW, days: 1 }), usage(/1 to 64 printable/));
  });

  it('by what is no authority, and it is said why', () => {
    const invalid = (message: RegExp) => ({ code: 'config_invalid', message });
    const by = (pair: CertificatePair, now = NOW) => issueCertificate(pair, 'node-1', [], { now, days: 1 });
    const other = makeAuthority('other', { now: NOW, days: 1 });
    assert.throws(() => by(issue('node-2')), invalid(/may not sign others/));
    assert.throws(() => by({ cert: other.cert, key: authority.key }), invalid(/do not belong together/));
    assert.throws(() => by({ cert: 'x', key: authority.key }), invalid(/is no PEM certificate/));
    assert.throws(() => by(authority, new Date(NOW.getTime() + 11 * DAY_MS)), invalid(/ended on .*--force/));
  });

  it('by an authority with another kind of key', { skip: WITHOUT_OPENSSL }, () => {
    const [cert, key] = [join(dir, 'rsa.crt'), join(dir, 'rsa.key')];
    const args = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      '-subj',
      '/CN=rsa',
    ];
    execFileSync('openssl', args, { stdio: 'pipe' });
    const pair = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    assert.throws(() => issueCertificate(pair, 'a', [], { now: NOW, days: 1 }), { message: /no ECDSA P-256 key/ });
  });
});

function verify(ca: string, cert: string, strictly = ['-x509_strict']): string {
  writeFileSync(join(dir, 'verify-ca.crt'), ca);
  writeFileSync(join(dir, 'verify.crt'), cert);
  const args = ['verify', ...strictly, '-purpose', 'sslserver', '-CAfile', 'verify-ca.crt', 'verify.crt'];
  return execFileSync('openssl', args, { cwd: dir, encoding: 'utf8', stdio: 'pipe' });
}
