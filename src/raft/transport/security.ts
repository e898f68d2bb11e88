/**
 * How peers are known: certificates on both sides, or, where somebody asked for it by name, not at all.
 *
 * The common name of a certificate is the node's name. A node that dials holds the other's certificate against the name
 * that it means, not against the host that it dialled: addresses change and are resolved anew, names do not, and a node
 * must not be fooled by one that merely sits at the right address. The authority must sign certificates of the cluster's
 * nodes (and operators) alone: whoever has one may speak on the Raft port under the name in it.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { ZkraftError } from '../../common/index.ts';
import { refused, type ShownName } from './handshake.ts';

export type TransportSecurity =
  /** PEM texts; they are read once. */
  | { readonly mode: 'mutual-tls'; readonly cert: string; readonly key: string; readonly ca: string }
  /** Plain text, and every name is believed. For development on one machine. */
  | { readonly mode: 'insecure' };

/** What gRPC knows of a caller. */
export interface ShownCertificate {
  readonly sslPeerCertificate?: { readonly subject?: { readonly CN?: string | readonly string[] } };
}

/** Throws `config_invalid` unless `security` can speak for the node of that name. */
export function checkSecurity(security: TransportSecurity, name: string): void {
  if (security.mode === 'insecure') return;
  const wrong = (field: string, what: string, cause?: unknown): ZkraftError =>
    new ZkraftError('config_invalid', what, { field: `coordinator.raft.${field}`, cause });
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(security.cert);
  } catch (error) {
    throw wrong('cert_file', 'the certificate of the Raft port is no PEM certificate', error);
  }
  try {
    if (!certificate.checkPrivateKey(createPrivateKey(security.key))) throw new Error('of another pair');
  } catch (error) {
    throw wrong('key_file', 'the key of the Raft port does not belong to its certificate', error);
  }
  const shown = commonName(certificate.toLegacyObject().subject);
  if (shown === name) return;
  throw wrong(
    'cert_file',
    `this node is "${name}", and its certificate is of "${shown ?? ''}"; issue one whose common name is "${name}" ` +
      `(zkraft certs issue ${name})`,
  );
}

export function serverCredentials(security: TransportSecurity): ServerCredentials {
  if (security.mode === 'insecure') return ServerCredentials.createInsecure();
  const pair = { cert_chain: Buffer.from(security.cert), private_key: Buffer.from(security.key) };
  return ServerCredentials.createSsl(Buffer.from(security.ca), [pair], true);
}

/** `check` sees the name in the other side's certificate, and throws to refuse it. */
export function clientCredentials(security: TransportSecurity, check: (name: string) => void): ChannelCredentials {
  if (security.mode === 'insecure') return ChannelCredentials.createInsecure();
  const { ca, key, cert } = security;
  return ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), {
    checkServerIdentity: (_host: string, shown: PeerCertificate) => {
      try {
        check(commonName(shown.subject) ?? '');
        return undefined;
      } catch (error) {
        return ZkraftError.from(error);
      }
    },
  });
}

/** Of a caller of ours. Throws `peer_refused` when there should be a certificate with one name. */
export function shownBy(security: TransportSecurity, context: ShownCertificate): ShownName {
  if (security.mode === 'insecure') return { kind: 'none' };
  const name = commonName(context.sslPeerCertificate?.subject);
  if (name !== undefined) return { kind: 'certificate', name };
  throw refused("the certificate has not one common name; issue one with the node's name in it (zkraft certs issue)");
}

function commonName(subject: { readonly CN?: string | readonly string[] } | undefined): string | undefined {
  const name = subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
