/**
 * The tokens of workers and of operators, `authorization: Bearer TOKEN`, compared in constant time; and the keys by
 * which workers are told apart. None is ever logged.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { isLoopback, sha256, sha256Hex, ZkraftError } from '../../common/index.ts';
import { WORKER_KEY, WORKER_KEY_HEADER } from '../../common/rpc/index.ts';

/** Throws `unauthenticated` unless the call carries the token. Without a token configured every call passes. */
export function createWorkerAuth(workerToken: string | undefined): (metadata: Metadata) => void {
  if (workerToken === undefined) return () => {};
  return bearer(workerToken, 'the worker token is missing or wrong; set it as the coordinator has it');
}

/**
 * For operators. Without a token configured only callers on this machine pass: `forbidden` for all others. `peer` is
 * the caller's address and port, as grpc-js has it.
 */
export function createAdminAuth(adminToken: string | undefined): (metadata: Metadata, peer: string) => void {
  if (adminToken !== undefined) {
    return bearer(
      adminToken,
      'the admin token is missing or wrong; set COORDINATOR_ADMIN_TOKEN as the coordinator has it',
    );
  }
  return (_metadata, peer) => {
    const host = peer.replace(/:\d+$/, '');
    if (isLoopback(host)) return;
    throw new ZkraftError(
      'forbidden',
      'without coordinator.admin_token only callers on the same machine may administer; set the token',
      { field: 'coordinator.admin_token' },
    );
  };
}

/**
 * SHA-256, in hex, of the key that the caller shows; empty when it shows none. All workers share one token, so it is
 * the key, which a worker makes for itself, that tells one from another. Throws `invalid_request` for what is no key.
 */
export function workerKeyHash(metadata: Metadata): string {
  const values = metadata.get(WORKER_KEY_HEADER);
  if (values.length === 0) return '';
  const [key] = values;
  if (values.length === 1 && typeof key === 'string' && WORKER_KEY.test(key)) return sha256Hex(key);
  throw new ZkraftError('invalid_request', `${WORKER_KEY_HEADER} must be 64 hex digits, once`, {
    field: WORKER_KEY_HEADER,
  });
}

function bearer(secret: string, remedy: string): (metadata: Metadata) => void {
  // Digests, so that both sides are of one length whatever was sent.
  const expected = sha256(secret);
  return (metadata) => {
    const header = metadata.get('authorization')[0];
    const token = typeof header === 'string' ? /^Bearer +(\S+)$/i.exec(header)?.[1] : undefined;
    if (token === undefined || !timingSafeEqual(sha256(token), expected)) {
      throw new ZkraftError('unauthenticated', remedy, { field: 'authorization' });
    }
  };
}
