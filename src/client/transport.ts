/**
 * HTTP with limits: one request, tried again while that makes sense, and errors with the codes of the table.
 *
 * What is retried: no connection, a try that took too long, and answers whose code the table calls retryable; never
 * what the caller aborted. A `Retry-After` is kept, and one above `RETRY_AFTER_MS_MAX` ends the tries. Every request
 * of the SDK may be sent twice without harm; see client.ts for how that is made true for submits. What surprises: an
 * answer that is not JSON was not written by a gateway but by something in front of it, so its text is not repeated.
 */
import { type ErrorCode, isErrorCode, ZkraftError } from '../common/core.ts';
import type { ClientOptions, RetryOptions } from './types.ts';

const RETRY_AFTER_MS_MAX = 60_000;
const MESSAGE_CHARS_MAX = 2_000;

export interface Request {
  readonly method: 'GET' | 'POST';
  /** Under the gateway's URL, without a slash in front. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Instead of the client's, for long-polls. */
  readonly timeoutMs?: number;
  readonly retriesMax?: number;
  /** Statuses to hand back rather than throw. */
  readonly accept?: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Why one try brought no answer, and whether and when the next may. */
class Failure extends Error {
  readonly error: ZkraftError;
  readonly retry: boolean;
  readonly afterMs: number;

  constructor(error: ZkraftError, retry: boolean, afterMs = 0) {
    super(error.message);
    this.error = error;
    this.retry = retry;
    this.afterMs = afterMs;
  }
}

export class Transport {
  readonly #base: URL;
  readonly #options: ClientOptions;
  readonly #fetch: typeof globalThis.fetch;
  readonly #retry: Required<RetryOptions>;

  constructor(options: ClientOptions) {
    this.#base = baseOf(options.url);
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#retry = { retriesMax: 4, initialMs: 200, capMs: 5_000, ...options.retry };
  }

  /** Rejects with ZkraftError: the gateway's, or `gateway_unavailable`, `request_timeout`, `cancelled`. */
  async send(request: Request): Promise<Answer> {
    const { initialMs, capMs } = this.#retry;
    const retriesMax = request.retriesMax ?? this.#retry.retriesMax;
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.#try(request);
      } catch (thrown) {
        if (request.signal?.aborted) throw cancelled(request.signal);
        if (!(thrown instanceof Failure)) throw thrown;
        if (!thrown.retry || tries >= retriesMax || thrown.afterMs > RETRY_AFTER_MS_MAX) throw thrown.error;
        // Between half and all of it, so that many clients do not come back in one instant.
        const backoffMs = Math.min(capMs, initialMs * 2 ** Math.min(tries, 30)) * (0.5 + Math.random() / 2);
        await pause(Math.max(backoffMs, thrown.afterMs), request.signal);
      }
    }
  }

  async #try({ method, path, body, headers, signal, timeoutMs, accept = [] }: Request): Promise<Answer> {
    const limit = AbortSignal.timeout(timeoutMs ?? this.#options.timeoutMs ?? 30_000);
    const url = new URL(path, this.#base);
    const { apiKey } = this.#options;
    try {
      const response = await this.#fetch(url, {
        method,
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // The key must not be carried to wherever an answer points.
        redirect: 'manual',
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
      const parsed = parseObject(await this.#readBody(response));
      if (parsed !== undefined && (response.ok || accept.includes(response.status))) {
        return { status: response.status, headers: response.headers, body: parsed };
      }
      throw refusalOf(response, parsed, this.#base);
    } catch (thrown) {
      if (thrown instanceof Failure) throw thrown;
      if (limit.aborted) {
        throw new Failure(
          new ZkraftError('request_timeout', `${this.#base.origin} did not answer in time`, { cause: thrown }),
          true,
        );
      }
      throw new Failure(
        new ZkraftError(
          'gateway_unavailable',
          `${this.#base.origin} cannot be reached; is the gateway running there?`,
          {
            field: 'url',
            cause: thrown,
          },
        ),
        true,
      );
    }
  }

  async #readBody(response: Response): Promise<string> {
    const bytesMax = this.#options.answerBytesMax ?? 8 * 1024 * 1024;
    const decoder = new TextDecoder();
    let text = '';
    let bytes = 0;
    const reader = response.body?.getReader();
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      if (bytes > bytesMax) {
        await reader.cancel();
        throw new Failure(new ZkraftError('internal', `the answer is larger than ${bytesMax} bytes`), false);
      }
      text += decoder.decode(value, { stream: true });
    }
    return text + decoder.decode();
  }
}

export const cancelled = (signal: AbortSignal): ZkraftError =>
  new ZkraftError('cancelled', 'the call was aborted', { cause: signal.reason });

/** Resolves after `ms`; rejects with `cancelled` when `signal` fires first. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(signal));
    const stop = (): void => {
      clearTimeout(timer);
      if (signal !== undefined) reject(cancelled(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

function baseOf(text: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // Reported below.
  }
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username || url.password) {
    throw new ZkraftError('invalid_request', 'url must be http:// or https://, with no user in it; keys go in apiKey', {
      field: 'url',
    });
  }
  url.search = '';
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function refusalOf(response: Response, body: Record<string, unknown> | undefined, base: URL): Failure {
  const { status, headers } = response;
  const afterMs = retryAfterMs(headers.get('retry-after'));
  const code = body?.code;
  if (typeof code === 'string' && typeof body?.error === 'string') {
    const requestId = typeof body.request_id === 'string' ? ` (request ${body.request_id})` : '';
    const message = `${body.error.slice(0, MESSAGE_CHARS_MAX)}${code === 'internal' ? requestId : ''}`;
    if (isErrorCode(code)) {
      const error = new ZkraftError(code, message);
      return new Failure(error, error.retryable, afterMs);
    }
    // A code of a newer gateway: the status has to do.
    return new Failure(new ZkraftError(codeOfStatus(status), `${code}: ${message}`), status === 503, afterMs);
  }
  if (status === 0 || (status >= 300 && status < 400)) {
    const error = new ZkraftError('invalid_request', `${base.href} redirects; use the URL that it points to`, {
      field: 'url',
    });
    return new Failure(error, false);
  }
  const error = new ZkraftError(codeOfStatus(status), `${base.origin} answered ${status}, but not as a gateway does`);
  return new Failure(error, error.code === 'gateway_unavailable' || error.code === 'rate_limited', afterMs);
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'forbidden';
  if (status === 413) return 'body_too_large';
  if (status === 429) return 'rate_limited';
  if (status >= 502 && status <= 504) return 'gateway_unavailable';
  if (status >= 400 && status < 500) return 'invalid_request';
  return 'internal';
}

/** RFC 9110, 10.2.3: seconds or an HTTP date. 0 when there is none. */
function retryAfterMs(header: string | null): number {
  if (header === null) return 0;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - Date.now());
}
