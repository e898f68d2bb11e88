/**
 * Answers to what never becomes a request: garbage on the socket, headers without end, bodies that trickle.
 *
 * Node reports these per socket, below Fastify. They get the same error shape as everything else, and then the
 * connection ends, because where the next request would begin is not known.
 */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../error-table.ts';
import { ZkraftError } from '../errors.ts';
import type { Logger } from '../logging/index.ts';
import { errorAnswer } from './error-answer.ts';

const REASONS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'the request did not arrive in time; send it faster'],
  HPE_HEADER_OVERFLOW: ['header_too_large', 'the request headers are larger than the limit'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['body_too_large', 'the chunk extensions are larger than the limit'],
};

export function answerSocketError(error: { readonly code?: string }, socket: Socket, logger: Logger): void {
  // Whoever does not speak TLS to a port of TLS cannot be told so.
  if (/^ERR_(SSL|TLS)_/.test(error.code ?? '')) {
    socket.destroy();
    return;
  }
  // A response that has begun cannot be taken back; a peer that is gone reads nothing.
  const current = (socket as Socket & { _httpMessage?: { headersSent: boolean } | null })._httpMessage;
  if (error.code === 'ECONNRESET' || !socket.writable || current?.headersSent === true) {
    socket.destroy();
    return;
  }
  const [code, message] = REASONS[error.code ?? ''] ?? [
    'invalid_request',
    'this is not a well-formed HTTP/1.1 request',
  ];
  const refusal = new ZkraftError(code, message);
  const requestId = randomUUID();
  const body = JSON.stringify(errorAnswer(refusal, requestId));
  const status = refusal.row.http;
  logger.info({ request_id: requestId, code, reason: error.code, status }, 'refused a connection');
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-ID: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
  // `end` waits for the peer to take the bytes; one that does not must not keep the socket.
  socket.setTimeout(1_000, () => socket.destroy());
}
