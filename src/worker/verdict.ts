/**
 * Which refusals are final: said, typed, by a coordinator, and not mended by trying again.
 *
 * What only the transport says (a cut connection, a proxy's answer, a deadline) carries no ErrorDetail and is never
 * final; nor is what is about the worker's credentials, because an operator can mend those while the worker waits.
 */
import type { ServiceError } from '@grpc/grpc-js';
import { ERROR_DETAIL_KEY, RemoteError } from '../common/rpc/index.ts';

const ABOUT_THE_WORKER = new Set(['unauthenticated', 'forbidden', 'cancelled', 'worker_quarantined']);

export function isFinal(thrown: unknown): boolean {
  return (
    thrown instanceof RemoteError &&
    saidByCoordinator(thrown) &&
    !ABOUT_THE_WORKER.has(thrown.code) &&
    (thrown.code === 'stale_lease' || !thrown.retryable)
  );
}

/** Of a proof that a worker of another id left: nobody will mend that worker's credentials, so any typed no is final. */
export function isFinalForOther(thrown: unknown): boolean {
  return thrown instanceof RemoteError && saidByCoordinator(thrown) && !thrown.retryable;
}

function saidByCoordinator(error: RemoteError): boolean {
  const metadata = (error.cause as Partial<ServiceError> | undefined)?.metadata;
  return metadata !== undefined && metadata.get(ERROR_DETAIL_KEY).length > 0;
}
