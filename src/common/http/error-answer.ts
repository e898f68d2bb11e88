/**
 * From whatever was thrown to the one shape of an error answer: `{success: false, error, code, request_id}`.
 *
 * The status is the error table's. A `ZkraftError` speaks for itself; Fastify's and Ajv's errors are translated; what
 * is left is a fault of ours and becomes `internal`, whose message says nothing about the inside.
 *
 * Schemas may say which code their violation has: `x-error-code`, beside `description`, which becomes the remedy.
 */
import type { FastifySchemaValidationError } from 'fastify';
import { isErrorCode } from '../error-table.ts';
import { ZkraftError } from '../errors.ts';

export interface ErrorAnswer {
  readonly success: false;
  readonly error: string;
  readonly code: string;
  readonly request_id: string;
}

export function errorAnswer(error: ZkraftError, requestId: string): ErrorAnswer {
  return { success: false, error: error.message, code: error.code, request_id: requestId };
}

interface Foreign {
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly validation?: unknown;
}

/** The coded error behind `thrown`. Only `internal` keeps the original, as its cause, for the log. */
export function codedError(thrown: unknown, bodyLimitBytes: number): ZkraftError {
  const foreign: Foreign = typeof thrown === 'object' && thrown !== null ? thrown : {};
  if (Array.isArray(foreign.validation)) return validationError(foreign.validation);
  switch (foreign.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ZkraftError('body_too_large', `the body is larger than ${bodyLimitBytes} bytes`);
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new ZkraftError('invalid_json', 'the body is empty; send a JSON object');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return new ZkraftError('unsupported_media_type', 'send the body as application/json');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ZkraftError('invalid_request', 'the body is not as long as Content-Length says');
    case 'FST_ERR_BAD_URL':
      return new ZkraftError('invalid_request', 'the path is not valid percent-encoded UTF-8');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ZkraftError('invalid_request', 'a part of the path is too long');
    case 'FST_ERR_HANDLER_TIMEOUT':
      return new ZkraftError('overloaded', 'the request took too long to answer; try again later');
  }
  if (thrown instanceof ZkraftError || (typeof foreign.code === 'string' && isErrorCode(foreign.code))) {
    const coded = ZkraftError.from(thrown);
    return coded.code === 'internal' ? fault(thrown) : coded;
  }
  if (typeof foreign.statusCode === 'number' && foreign.statusCode >= 400 && foreign.statusCode < 500) {
    return new ZkraftError('invalid_request', 'the request is malformed, or the connection ended before it was whole');
  }
  return fault(thrown);
}

const fault = (cause: unknown): ZkraftError =>
  new ZkraftError('internal', 'a fault of ours; the log has more under this request id', { cause });

interface AnnotatedSchema {
  readonly 'x-error-code'?: unknown;
  readonly description?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** The first violation, in words that name the field and what it must be. Values are never quoted. */
function validationError(
  violations: readonly (FastifySchemaValidationError & { parentSchema?: unknown })[],
): ZkraftError {
  const violation = violations[0];
  if (violation === undefined) return new ZkraftError('invalid_request', 'the request is malformed');
  const schema: AnnotatedSchema = (violation.parentSchema ?? {}) as AnnotatedSchema;
  const path = fieldName(violation.instancePath);
  if (violation.keyword === 'additionalProperties') {
    const name = nameUnder(path, violation.params.additionalProperty);
    const known = Object.keys(schema.properties ?? {}).join(', ');
    return new ZkraftError('invalid_request', `${name} is not a field here; the fields are ${known || 'none'}`, {
      field: name,
    });
  }
  if (violation.keyword === 'required') {
    const missing = String(violation.params.missingProperty);
    const wanted = (schema.properties?.[missing] ?? {}) as AnnotatedSchema;
    const name = nameUnder(path, missing);
    return new ZkraftError('invalid_request', `${name} is missing${remedy(wanted)}`, { field: name });
  }
  const code = schema['x-error-code'];
  const said = violation.keyword === 'pattern' || violation.keyword === 'format' ? 'is malformed' : violation.message;
  return new ZkraftError(
    typeof code === 'string' && isErrorCode(code) ? code : 'invalid_request',
    `${path || 'the body'} ${said ?? 'is malformed'}${remedy(schema)}`,
    path ? { field: path } : {},
  );
}

const remedy = (schema: AnnotatedSchema): string =>
  typeof schema.description === 'string' ? `: ${schema.description}` : '';

/** JSON pointer to the way people write it: `/leaves/3` is `leaves[3]`. */
function fieldName(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~').slice(0, 64))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : nameUnder(path, part)), '');
}

const nameUnder = (path: string, name: unknown): string => {
  const shown = String(name).slice(0, 64);
  return path ? `${path}.${shown}` : shown;
};
