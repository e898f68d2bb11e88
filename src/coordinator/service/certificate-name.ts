/**
 * A worker that showed a certificate speaks in its name only: its id is the certificate's common name, or begins with it
 * and a hyphen. So a worker that went bad cannot end the sessions of others by calling itself what they are called.
 */
import { workerIdPrefix, ZkraftError } from '../../common/index.ts';

/** What gRPC knows of the other side; nothing of it without a client's certificate. */
export interface ShownCertificate {
  readonly sslPeerCertificate?: { readonly subject?: { readonly CN?: string | readonly string[] } };
}

/** Throws `forbidden`. A missing id is for others to refuse. */
export function requireOwnName(shown: ShownCertificate, workerId: string | undefined): void {
  if (shown.sslPeerCertificate === undefined || workerId === undefined) return;
  const name = shown.sslPeerCertificate.subject?.CN;
  const prefix = typeof name === 'string' ? workerIdPrefix(name) : '';
  if (prefix === '') {
    throw new ZkraftError(
      'forbidden',
      "the certificate has not one common name; make one with the worker's name in it",
      {
        field: 'worker_id',
      },
    );
  }
  if (workerId === prefix || workerId.startsWith(`${prefix}-`)) return;
  throw new ZkraftError(
    'forbidden',
    `a worker with the certificate of ${prefix} may call itself ${prefix} or ${prefix}-..., not ${workerId.slice(0, 128)}`,
    { field: 'worker_id' },
  );
}
