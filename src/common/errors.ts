/**
 * The one error type that leaves a function of zkraft on purpose.
 *
 * It carries a code of the table and a message that tells the reader what to do, and crosses threads and the wire as
 * plain JSON (`toJSON`, `fromJSON`). Anything else that is thrown is a fault of ours and becomes `internal`.
 */
import { ERROR_TABLE, type ErrorCode, type ErrorRow, isErrorCode } from './error-table.ts';

export interface ErrorJson {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string;
}

export interface ErrorOptions {
  /** The setting, JSON field, flag or file that is wrong. */
  readonly field?: string;
  readonly cause?: unknown;
}

export class ZkraftError extends Error {
  override readonly name = 'ZkraftError';
  readonly code: ErrorCode;
  readonly field: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field;
  }

  get row(): ErrorRow {
    return ERROR_TABLE[this.code];
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable;
  }

  toJSON(): ErrorJson {
    return { code: this.code, message: this.message, ...(this.field === undefined ? {} : { field: this.field }) };
  }

  static fromJSON(json: { code: string; message: string; field?: string }): ZkraftError {
    return new ZkraftError(
      isErrorCode(json.code) ? json.code : 'internal',
      json.message,
      json.field ? { field: json.field } : {},
    );
  }

  /** Whatever was thrown, as a ZkraftError. A stranger becomes `internal` and keeps the original as its cause. */
  static from(thrown: unknown): ZkraftError {
    if (thrown instanceof ZkraftError) return thrown;
    // An error that crossed a thread loses its class but keeps these fields.
    if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && isErrorCode(thrown.code)) {
      const field = 'field' in thrown && typeof thrown.field === 'string' ? thrown.field : undefined;
      return new ZkraftError(thrown.code, thrown.message, { cause: thrown, ...(field ? { field } : {}) });
    }
    return new ZkraftError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
  }
}

/** Fails with `internal` unless `condition` holds: for what must be true whatever the input was. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new ZkraftError('internal', `invariant violated: ${message}`);
}
