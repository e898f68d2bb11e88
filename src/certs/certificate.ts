/**
 * X.509 v3 certificates over ECDSA P-256 (RFC 5280, RFC 5480), written here because Node reads them but makes none.
 *
 * Two kinds: an authority that signs certificates of nodes and nothing else (no authority below it), and a node's, good
 * for both ends of a connection. Keys are named by the first 160 bits of their SHA-256 (RFC 7093, 2). What surprises: a
 * certificate is good an hour before it was made, for clocks of a cluster are never quite equal, and it never outlives
 * its authority, since nobody would believe it then.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { ZkraftError } from '../common/index.ts';
import {
  bits,
  der,
  explicit,
  implicit,
  integer,
  octets,
  oid,
  sequence,
  TAG,
  TRUE,
  time,
  utf8,
  valuesIn,
} from './der.ts';
import { checkAuthorityName, checkNodeName, type HostName, hostNames } from './names.ts';

/** PEM texts. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

export interface Validity {
  readonly now: Date;
  readonly days: number;
}

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const DAY_MS = 86_400_000;
const CLOCK_SKEW_MS = 3_600_000;
/** A hundred years; a date has four digits for its year. */
export const DAYS_MAX = 36_500;

/** A new authority. Throws `usage`. */
export function makeAuthority(name: string, { now, days }: Validity): CertificatePair {
  const subject = nameOf(checkAuthorityName(name));
  const { privateKey, publicKey } = newKey();
  const extensions = [
    extension(OID.basicConstraints, true, sequence(TRUE, integer(Buffer.from([0])))),
    // Bits 5 and 6: keyCertSign, cRLSign.
    extension(OID.keyUsage, true, bits(Buffer.from([0b0000_0110]), 1)),
    extension(OID.subjectKeyIdentifier, false, octets(keyIdentifier(publicKey))),
  ];
  const validity = sequence(time(begin(now)), time(new Date(now.getTime() + daysMs(days))));
  const cert = signed({ issuer: subject, subject, validity, publicKey, extensions, signer: privateKey });
  return { cert, key: pemOf(privateKey) };
}

/** A certificate of the node of that name, good for the hosts, for servers and for clients. Throws `usage`, `config_invalid`. */
export function issueCertificate(
  authority: CertificatePair,
  name: string,
  hosts: readonly string[],
  { now, days }: Validity,
): CertificatePair {
  const { issuer, issuerKeyId, signer, endMs } = openAuthority(authority, now);
  const names = hostNames(checkNodeName(name), hosts);
  const { privateKey, publicKey } = newKey();
  const extensions = [
    extension(OID.basicConstraints, true, sequence()),
    // Bit 0: digitalSignature, which is all that TLS wants of an elliptic key.
    extension(OID.keyUsage, true, bits(Buffer.from([0b1000_0000]), 7)),
    extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
    ...(names.length > 0 ? [extension(OID.subjectAltName, false, sequence(...names.map(generalName)))] : []),
    extension(OID.subjectKeyIdentifier, false, octets(keyIdentifier(publicKey))),
    extension(OID.authorityKeyIdentifier, false, sequence(implicit(0, issuerKeyId))),
  ];
  const end = new Date(Math.min(now.getTime() + daysMs(days), endMs));
  const validity = sequence(time(begin(now)), time(end));
  const cert = signed({ issuer, subject: nameOf(name), validity, publicKey, extensions, signer });
  return { cert, key: pemOf(privateKey) };
}

interface ToBeSigned {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly validity: Buffer;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly signer: KeyObject;
}

function signed({ issuer, subject, validity, publicKey, extensions, signer }: ToBeSigned): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const tbs = sequence(
    explicit(0, integer(Buffer.from([2]))), // v3
    integer(serialNumber()),
    algorithm,
    issuer,
    validity,
    subject,
    spkiOf(publicKey),
    explicit(3, sequence(...extensions)),
  );
  const signature = sign('sha256', tbs, { key: signer, dsaEncoding: 'der' });
  const lines =
    sequence(tbs, algorithm, bits(signature))
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** Whoever signs, after it was held against its key and the clock. */
function openAuthority(
  { cert, key }: CertificatePair,
  now: Date,
): { issuer: Buffer; issuerKeyId: Buffer; signer: KeyObject; endMs: number } {
  const wrong = (what: string, cause?: unknown): ZkraftError =>
    new ZkraftError('config_invalid', `the authority ${what}`, { field: 'dir', cause });
  let certificate: X509Certificate;
  let signer: KeyObject;
  try {
    certificate = new X509Certificate(cert);
    signer = createPrivateKey(key);
  } catch (error) {
    throw wrong('is no PEM certificate with a PEM key that has no passphrase', error);
  }
  if (signer.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw wrong('has no ECDSA P-256 key, and zkraft signs with such alone; sign with the tool that made it');
  }
  if (!certificate.checkPrivateKey(signer)) throw wrong('has a certificate and a key that do not belong together');
  if (!certificate.ca) throw wrong('has a certificate that may not sign others');
  const endMs = Date.parse(certificate.validTo);
  if (endMs <= now.getTime()) {
    throw wrong(`ended on ${certificate.validTo}; make a new one with zkraft certs init --force, and issue all anew`);
  }
  const { subject, subjectKeyId } = subjectOf(certificate.raw);
  return { issuer: subject, issuerKeyId: subjectKeyId ?? keyIdentifier(createPublicKey(signer)), signer, endMs };
}

/** Byte for byte as they stand, since they are compared so. */
function subjectOf(certificate: Buffer): { subject: Buffer; subjectKeyId: Buffer | undefined } {
  const [whole] = valuesIn(certificate);
  const [tbs] = valuesIn(whole?.content ?? Buffer.alloc(0));
  // [0] version, serial, algorithm, issuer, validity, subject, key, ..., [3] extensions
  const fields = valuesIn(tbs?.content ?? Buffer.alloc(0));
  const subject = fields[5]?.whole ?? Buffer.alloc(0);
  const extensions = valuesIn(
    valuesIn(fields.find(({ tag }) => tag === 0xa3)?.content ?? Buffer.alloc(0))[0]?.content ?? Buffer.alloc(0),
  );
  const wanted = oid(OID.subjectKeyIdentifier);
  for (const { content } of extensions) {
    const parts = valuesIn(content);
    if (parts[0]?.whole.equals(wanted)) {
      return { subject, subjectKeyId: valuesIn(parts.at(-1)?.content ?? Buffer.alloc(0))[0]?.content };
    }
  }
  return { subject, subjectKeyId: undefined };
}

const newKey = (): { privateKey: KeyObject; publicKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

function keyIdentifier(key: KeyObject): Buffer {
  const point = valuesIn(valuesIn(spkiOf(key))[0]?.content ?? Buffer.alloc(0))[1]?.content ?? Buffer.alloc(0);
  // Without the byte that counts unused bits.
  return createHash('sha256').update(point.subarray(1)).digest().subarray(0, 20);
}

/** 127 bits of chance, and not 0. */
function serialNumber(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

/** One common name. */
const nameOf = (commonName: string): Buffer => sequence(der(TAG.set, sequence(oid(OID.commonName), utf8(commonName))));

const extension = (id: string, isCritical: boolean, value: Buffer): Buffer =>
  sequence(oid(id), ...(isCritical ? [TRUE] : []), octets(value));

const generalName = (host: HostName): Buffer =>
  host.kind === 'dns' ? implicit(2, Buffer.from(host.name, 'ascii')) : implicit(7, host.bytes);

const begin = (now: Date): Date => new Date(now.getTime() - CLOCK_SKEW_MS);

function daysMs(days: number): number {
  if (Number.isSafeInteger(days) && days >= 1 && days <= DAYS_MAX) return days * DAY_MS;
  throw new ZkraftError('usage', `days is ${days}; give a whole number from 1 to ${DAYS_MAX}`, { field: 'days' });
}
