/**
 * What a TLS handshake that failed means, for whoever looks at a cluster that does not form.
 *
 * Node tells a failed check as an OpenSSL code to the side that accepts, and as a sentence to the side that dials; gRPC
 * passes the sentence on inside another. A side whose certificate was not taken is told nothing in TLS 1.3: it only sees
 * the connection end. So a node also looks at its own certificate, and says so if that is the one at fault.
 */
import { X509Certificate } from 'node:crypto';
import type { TransportSecurity } from './security.ts';

export type TlsFailure =
  | 'expired'
  | 'not-yet-valid'
  | 'other-authority'
  | 'other-host'
  | 'plain-text'
  | 'nothing-shown';

/** Who dials, in words: where its files are, and what to do about them. */
export interface Dialler {
  readonly caFile: string;
  readonly certificate: string;
  readonly remedy: string;
  readonly plainRemedy: string;
}

export const NODE: Dialler = {
  caFile: "this node's ca_file",
  certificate: "this node's certificate",
  remedy: 'issue a new one (zkraft certs issue NAME --force) and restart this node',
  plainRemedy: 'give this node cert_file, key_file and ca_file',
};

export const OPERATOR: Dialler = {
  caFile: '--ca-file',
  certificate: 'the certificate of --cert-file',
  remedy: 'issue a new one (zkraft certs issue NAME --force)',
  plainRemedy: 'show one with --cert-file, --key-file and --ca-file',
};

const MEANINGS: readonly (readonly [TlsFailure, RegExp])[] = [
  ['expired', /certificate has expired|CERT_HAS_EXPIRED|alert certificate expired/i],
  ['not-yet-valid', /certificate is not yet valid|CERT_NOT_YET_VALID/i],
  [
    'other-authority',
    /self.signed certificate|unable to (get|verify)[a-z ]* (issuer|first) certificate|certificate signature failure|alert unknown ca|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|CERT_SIGNATURE_FAILURE|CERT_UNTRUSTED/i,
  ],
  ['other-host', /does not match certificate's altnames/i],
  ['nothing-shown', /PEER_DID_NOT_RETURN_A_CERTIFICATE|alert certificate required|^UNSPECIFIED$/i],
  [
    'plain-text',
    /wrong version number|WRONG_VERSION_NUMBER|HTTP_REQUEST|packet length too long|PACKET_LENGTH_TOO_LONG/i,
  ],
];

export const tlsFailureIn = (text: string): TlsFailure | undefined =>
  MEANINGS.find(([, pattern]) => pattern.test(text))?.[0];

/** What the other side did wrong, and the remedy. `who`: "the node at 10.0.0.5:7000". */
export function tellTlsFailure(failure: TlsFailure, who: string, { caFile }: Dialler = NODE): string {
  switch (failure) {
    case 'expired':
      return `the certificate of ${who} has expired; issue it a new one (zkraft certs issue NAME --force) and restart it`;
    case 'not-yet-valid':
      return `the certificate of ${who} is not valid yet; see that the clocks of both machines are right`;
    case 'other-authority':
      return (
        `the certificate of ${who} is not of the authority in ${caFile}; issue it one of this cluster's ` +
        'authority (zkraft certs issue NAME), or give both sides the same ca.crt'
      );
    case 'other-host':
      return (
        `the certificate of ${who} does not name that host; dial it by one that it names, or issue it one that does ` +
        '(zkraft certs issue NAME --hosts HOST,ADDRESS --force)'
      );
    case 'nothing-shown':
      return `${who} shows no certificate; give it cert_file, key_file and ca_file`;
    case 'plain-text':
      return `${who} speaks plain text, and this side TLS; give it cert_file, key_file and ca_file too`;
  }
}

/** Why no peer will take this node's certificate; `undefined` when nothing is wrong with it. */
export function ownCertificateProblem(
  security: TransportSecurity,
  now: Date,
  { caFile, certificate, remedy }: Dialler = NODE,
): string | undefined {
  if (security.mode === 'insecure') return undefined;
  const own = new X509Certificate(security.cert);
  if (Date.parse(own.validTo) <= now.getTime()) return `${certificate} ended on ${own.validTo}; ${remedy}`;
  if (Date.parse(own.validFrom) > now.getTime()) {
    return `${certificate} begins on ${own.validFrom} only; see that the clock is right`;
  }
  // With a chain its first certificate is of an authority that stands in the chain itself.
  const [, ...between] = certificatesIn(security.cert);
  const isOfOurs = [...between, ...certificatesIn(security.ca)].some(
    (authority) => own.checkIssued(authority) && own.verify(authority.publicKey),
  );
  return isOfOurs ? undefined : `${certificate} is not of the authority in ${caFile}; ${remedy}`;
}

const certificatesIn = (pem: string): X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map(
    (text) => new X509Certificate(text),
  );
