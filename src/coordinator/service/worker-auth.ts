/** The shared token of workers: `authorization: Bearer TOKEN`, compared in constant time, never logged. */
import { timingSafeEqual } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { sha256, ZkraftError } from '../../common/index.ts';

/** Throws `unauthenticated` unless the call carries the token. Without a token configured every call passes. */
export function createWorkerAuth(workerToken: string | undefined): (metadata: Metadata) => void {
  if (workerToken === undefined) return () => {};
  // Digests, so that both sides are of one length whatever was sent.
  const expected = sha256(workerToken);
  return (metadata) => {
    const header = metadata.get('authorization')[0];
    const token = typeof header === 'string' ? /^Bearer +(\S+)$/i.exec(header)?.[1] : undefined;
    if (token === undefined || !timingSafeEqual(sha256(token), expected)) {
      throw new ZkraftError(
        'unauthenticated',
        'the worker token is missing or wrong; set it as the coordinator has it',
        {
          field: 'authorization',
        },
      );
    }
  };
}
