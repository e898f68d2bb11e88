/**
 * What a worker sends, checked before anything is done with it. Every refusal names the field and what it must be.
 */
import { type ErrorCode, toHex, ZkraftError } from '../../common/index.ts';
import type { Lease, RegisterWorkerRequest } from '../../common/rpc/index.ts';
import type { CommandBody, LeaseRef } from '../state/index.ts';

const WORKER_ID = /^[A-Za-z0-9._-]{1,128}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TEXT_CHARS_MAX = 128;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
export const SLOTS_MAX = 256;
const BACKENDS_MAX = 8;
const CIRCUITS_MAX = 256;
const LEASES_MAX = 1_024;

function refuse(field: string, what: string, code: ErrorCode = 'invalid_request'): never {
  throw new ZkraftError(code, `${field} ${what}`, { field });
}

export function checkWorkerId(id: string): string {
  if (!WORKER_ID.test(id)) refuse('worker_id', 'must be 1 to 128 of [A-Za-z0-9._-]', 'invalid_worker_id');
  return id;
}

/** An unsigned 64-bit number that can be a log index or a count. */
export function checkCount(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse(field, 'is larger than any index can be');
  return Number(value);
}

function checkText(text: string, field: string): string {
  if (text.length > TEXT_CHARS_MAX) refuse(field, `is longer than ${TEXT_CHARS_MAX} characters`);
  // Operators see it in a terminal, which would obey them.
  if (UNPRINTABLE.test(text)) refuse(field, 'has characters that cannot be printed');
  return text;
}

export function checkLease(lease: Lease | undefined, field = 'lease'): LeaseRef {
  if (lease === undefined) return refuse(field, 'is missing');
  if (!UUID.test(lease.taskId)) refuse(`${field}.task_id`, 'is not a UUID in lower case');
  return {
    taskId: lease.taskId,
    workerId: checkWorkerId(lease.workerId),
    attempt: lease.attempt,
    epoch: checkCount(lease.epoch, `${field}.epoch`),
  };
}

export function checkLeases(leases: readonly Lease[], workerId: string): LeaseRef[] {
  if (leases.length > LEASES_MAX) refuse('held_leases', `are ${leases.length}; at most ${LEASES_MAX} are taken`);
  return leases.map((lease, i) => {
    const checked = checkLease(lease, `held_leases[${i}]`);
    if (checked.workerId !== workerId) refuse(`held_leases[${i}].worker_id`, 'is not the worker that calls');
    return checked;
  });
}

export function checkRegistration(
  request: RegisterWorkerRequest,
  keyHash: string,
): Extract<CommandBody, { kind: 'worker_added' }> {
  const id = checkWorkerId(request.workerId);
  const { slots } = request;
  if (slots < 1 || slots > SLOTS_MAX) refuse('slots', `must be 1 to ${SLOTS_MAX}`);
  if (request.backends.length < 1 || request.backends.length > BACKENDS_MAX) {
    refuse('backends', `must name 1 to ${BACKENDS_MAX} backends`);
  }
  if (request.cachedCircuits.length > CIRCUITS_MAX) refuse('cached_circuits', `are more than ${CIRCUITS_MAX}`);
  const softwareVersion = checkText(request.softwareVersion, 'software_version');
  if (softwareVersion === '') refuse('software_version', 'is missing');
  return {
    kind: 'worker_added',
    worker: {
      id,
      slots,
      softwareVersion,
      backends: request.backends.map((backend, i) => checkText(backend.name, `backends[${i}].name`)),
      cachedCircuits: request.cachedCircuits.map((circuit, i) =>
        toHex(checkDigest(circuit.manifestDigest, `cached_circuits[${i}].manifest_digest`)),
      ),
      host: checkText(request.host, 'host'),
      ...(keyHash === '' ? {} : { keyHash }),
    },
    held: checkLeases(request.heldLeases, id),
  };
}

export function checkDigest(digest: Uint8Array, field: string): Uint8Array {
  if (digest.length !== 32) refuse(field, 'must be a SHA-256 of 32 bytes');
  return digest;
}
