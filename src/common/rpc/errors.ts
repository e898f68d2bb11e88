/**
 * Errors over gRPC: a refusal keeps its code, field and remedy from one process to the other.
 *
 * The status is the canonical one of the error table; all else rides as an encoded ErrorDetail in the trailing
 * metadata under `zkraft-error-bin`. What surprises: an error without that detail came from the transport (no such
 * host, a cut connection, a deadline) or from a stranger's server, so its status decides the code. The text of an
 * error that nobody threw on purpose is not sent: it may hold what the other side must not read.
 */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type ErrorCode, isErrorCode } from '../error-table.ts';
import { type ErrorOptions, ZkraftError } from '../errors.ts';
import { ErrorDetail } from './gen/zkraft/v1/worker.ts';

export const ERROR_DETAIL_KEY = 'zkraft-error-bin';

/** Trailing metadata must fit in the peers' header limit (8 KiB by default), and base64 adds a third. */
const MESSAGE_CHARS_MAX = 1_500;

export interface RemoteOptions extends ErrorOptions {
  readonly retryable?: boolean;
  readonly leaderId?: string;
  readonly leaderGrpcAddress?: string;
}

/** A ZkraftError that crosses, or crossed, a gRPC connection; `not_leader` may name the leader. */
export class RemoteError extends ZkraftError {
  readonly leaderId: string | undefined;
  readonly leaderGrpcAddress: string | undefined;
  readonly #retryable: boolean | undefined;

  constructor(code: ErrorCode, message: string, options: RemoteOptions = {}) {
    super(code, message, options);
    this.leaderId = options.leaderId;
    this.leaderGrpcAddress = options.leaderGrpcAddress;
    this.#retryable = options.retryable;
  }

  /** What the sender said, since its table may be newer than ours; else what our table says. */
  override get retryable(): boolean {
    return this.#retryable ?? super.retryable;
  }
}

/** Whatever was thrown, as what grpc-js sends: status, text, and the ErrorDetail in the trailing metadata. */
export function toServiceError(thrown: unknown): ServiceError {
  const error = ZkraftError.from(thrown);
  const onPurpose = error.code !== 'internal' || thrown instanceof ZkraftError;
  const text = onPurpose ? error.message : 'a fault of ours; the log of the coordinator has more';
  const message = text.length > MESSAGE_CHARS_MAX ? `${text.slice(0, MESSAGE_CHARS_MAX)}...` : text;
  const detail = ErrorDetail.fromPartial({
    code: error.code,
    message,
    field: error.field?.slice(0, 200) ?? '',
    retryable: error.retryable,
    leaderId: error instanceof RemoteError ? (error.leaderId ?? '') : '',
    leaderGrpcAddress: error instanceof RemoteError ? (error.leaderGrpcAddress ?? '') : '',
  });
  const metadata = new Metadata();
  metadata.set(ERROR_DETAIL_KEY, Buffer.from(ErrorDetail.encode(detail).finish()));
  const code = status[error.row.grpc];
  return Object.assign(new Error(message), { code, details: message, metadata });
}

/** What a gRPC client was given, as a RemoteError. Never throws. */
export function fromServiceError(thrown: unknown): RemoteError {
  if (thrown instanceof RemoteError) return thrown;
  if (thrown instanceof ZkraftError) return new RemoteError(thrown.code, thrown.message, optionsOf(thrown));
  const error = thrown as Partial<ServiceError> | undefined;
  const detail = readDetail(error?.metadata);
  if (detail !== undefined) {
    return new RemoteError(isErrorCode(detail.code) ? detail.code : 'internal', detail.message, {
      cause: thrown,
      retryable: detail.retryable,
      ...(detail.field === '' ? {} : { field: detail.field }),
      ...(detail.leaderId === '' ? {} : { leaderId: detail.leaderId }),
      ...(detail.leaderGrpcAddress === '' ? {} : { leaderGrpcAddress: detail.leaderGrpcAddress }),
    });
  }
  const text = error?.details || error?.message || String(thrown);
  return new RemoteError(codeOfStatus(error?.code, text), text, { cause: thrown });
}

function optionsOf(error: ZkraftError): RemoteOptions {
  return { cause: error, ...(error.field === undefined ? {} : { field: error.field }) };
}

function readDetail(metadata: Metadata | undefined): ErrorDetail | undefined {
  if (!(metadata instanceof Metadata)) return undefined;
  const value = metadata.get(ERROR_DETAIL_KEY)[0];
  if (!(value instanceof Uint8Array)) return undefined;
  try {
    const detail = ErrorDetail.decode(value);
    return detail.code === '' ? undefined : detail;
  } catch {
    return undefined;
  }
}

/** The code for an error that carries no detail: it never reached a handler of ours. */
function codeOfStatus(code: number | undefined, text: string): ErrorCode {
  switch (code) {
    case status.UNAVAILABLE:
    case status.UNIMPLEMENTED:
      return 'coordinator_unavailable';
    case status.DEADLINE_EXCEEDED:
      return 'request_timeout';
    case status.CANCELLED:
      return 'cancelled';
    case status.UNAUTHENTICATED:
      return 'unauthenticated';
    case status.PERMISSION_DENIED:
      return 'forbidden';
    case status.INVALID_ARGUMENT:
      return 'invalid_request';
    case status.RESOURCE_EXHAUSTED:
      return /larger than max/i.test(text) ? 'body_too_large' : 'overloaded';
    default:
      return 'internal';
  }
}
