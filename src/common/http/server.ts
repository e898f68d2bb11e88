/**
 * The HTTP server that every service of zkraft starts from: Fastify 5, our logger, our errors, our limits.
 *
 * What it promises: each answer carries X-Request-ID and the security headers; each refusal, from garbage on the
 * socket to a fault of ours, is `{success: false, error, code, request_id}` with the error table's status; each wait
 * and each body has a limit; closing takes at most `closeGraceMs` whatever clients do.
 *
 * What surprises: Ajv neither coerces, fills in nor drops anything; bodies are parsed by json-body.ts, not by Fastify;
 * `trustProxy` names proxies by address, and X-Forwarded-For of anybody else is ignored; messages of 4xx answers are
 * not logged, because they may quote what the client sent.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema,
  LogController,
  type RawServerDefault,
} from 'fastify';
import type { Registry } from 'prom-client';
import type { ErrorCode } from '../error-table.ts';
import { ZkraftError } from '../errors.ts';
import type { Logger } from '../logging/index.ts';
import { VERSION } from '../version.ts';
import { limitConnectionsPerAddress } from './connection-limit.ts';
import { codedError, errorAnswer } from './error-answer.ts';
import { parseJsonBody } from './json-body.ts';
import { limitPipelining } from './pipeline-limit.ts';
import { answerSocketError } from './socket-errors.ts';

export type HttpServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborts when the server begins to close: whoever keeps a request waiting answers it now. */
    readonly closing: AbortSignal;
  }
  interface FastifyRequest {
    /** The code that this request was refused with, for metrics and logs. */
    errorCode: ErrorCode | null;
  }
}

export interface HttpServerOptions {
  readonly logger: Logger;
  /** Such as `gateway`; shown by /livez. */
  readonly service: string;
  /** With it, `metricsPath` serves it. */
  readonly registry?: Registry;
  readonly metricsPath?: string;
  readonly bodyLimitBytes?: number;
  /** Addresses or networks (CIDR) of the proxies whose X-Forwarded-For is believed. */
  readonly trustProxy?: readonly string[];
  /** Until headers and body have arrived. */
  readonly requestTimeoutMs?: number;
  /** Without progress on an answer that is being sent. */
  readonly writeTimeoutMs?: number;
  /** Between two requests on one connection. */
  readonly keepAliveTimeoutMs?: number;
  readonly headerBytesMax?: number;
  /** One address gets half of them, unless proxies are trusted: those carry many clients. */
  readonly connectionsMax?: number;
  /** After this, closing ends the connections that are still open. */
  readonly closeGraceMs?: number;
  readonly jsonDepthMax?: number;
  /** False: the caller adds them with `addProcessRoutes`, after a plugin that must see every route. */
  readonly processRoutes?: boolean;
  /** With it the server speaks TLS only. */
  readonly tls?: TlsIdentity;
}

/** A certificate, with its chain, and its private key, in PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** A refused body up to this multiple of the limit is read and thrown away, so that the client gets to read why. */
const DRAIN_LIMITS = 8;
const TLS_HANDSHAKE_MS = 10_000;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const limits = {
    bodyBytes: options.bodyLimitBytes ?? 1024 * 1024,
    requestMs: options.requestTimeoutMs ?? 30_000,
    writeMs: options.writeTimeoutMs ?? 30_000,
    keepAliveMs: options.keepAliveTimeoutMs ?? 120_000,
    graceMs: options.closeGraceMs ?? 2_000,
    jsonDepth: options.jsonDepthMax ?? 16,
  };
  const closing = new AbortController();
  // Each request that waits listens to it; how many may wait is limited elsewhere.
  setMaxListeners(0, closing.signal);
  const app = createFastify(options, limits);
  app.decorate('closing', closing.signal);
  app.decorateRequest('errorCode', null);

  app.server.headersTimeout = limits.requestMs;
  const connectionsMax = options.connectionsMax ?? 1_024;
  app.server.maxConnections = connectionsMax;
  if (!options.trustProxy?.length) {
    const perAddress = Math.ceil(connectionsMax / 2);
    limitConnectionsPerAddress(app.server, perAddress, options.logger);
  }
  limitPipelining(app.server as Server);
  // Node would answer 417 with an empty body; as a request it reaches addRouteRefusals.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));

  const sendError = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const error = codedError(thrown, limits.bodyBytes);
    const { http } = error.row;
    request.errorCode = error.code;
    if (error.code === 'internal') request.log.error({ err: forLog(error.cause) }, 'request failed');
    if ((http === 429 || http === 503) && !reply.hasHeader('retry-after')) reply.header('retry-after', '1');
    if (!request.raw.complete) drain(request.raw, reply, limits.bodyBytes * DRAIN_LIMITS);
    reply.code(http).type('application/json; charset=utf-8').send(errorAnswer(error, request.id));
  };
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));

  addJsonParser(app, limits.jsonDepth);
  addHeaders(app, limits.writeMs);
  addRouteRefusals(app, closing.signal);
  addRequestLog(app);
  if (options.processRoutes !== false) addProcessRoutes(app, options);

  app.addHook('preClose', async () => {
    closing.abort();
    setTimeout(() => app.server.closeAllConnections(), limits.graceMs).unref();
  });
  return app;

  function createFastify(
    { logger, trustProxy, headerBytesMax, tls }: HttpServerOptions,
    { bodyBytes, requestMs, keepAliveMs }: { bodyBytes: number; requestMs: number; keepAliveMs: number },
  ): HttpServer {
    const http = {
      maxHeaderSize: headerBytesMax ?? 16 * 1024,
      // Node would refuse it with an empty body; addRouteRefusals says why.
      requireHostHeader: false,
      // How often Node looks for requests that are late; its default of 30 s would double a timeout.
      connectionsCheckingInterval: Math.min(5_000, Math.max(50, Math.floor(requestMs / 4))),
    };
    const https = tls && { ...http, ...tls, minVersion: 'TLSv1.2' as const, handshakeTimeout: TLS_HANDSHAKE_MS };
    try {
      return fastify({
        ...(https ? ({ https } as unknown as object) : { http }),
        loggerInstance: logger as FastifyBaseLogger,
        logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
        genReqId: requestIdOf,
        requestIdHeader: false,
        bodyLimit: bodyBytes,
        requestTimeout: requestMs,
        keepAliveTimeout: keepAliveMs,
        forceCloseConnections: 'idle',
        return503OnClosing: false,
        trustProxy: trustProxy && trustProxy.length > 0 ? [...trustProxy] : false,
        routerOptions: { maxParamLength: 256 },
        ajv: {
          customOptions: {
            coerceTypes: false,
            removeAdditional: false,
            useDefaults: false,
            allErrors: false,
            verbose: true,
            keywords: ['x-error-code'],
          },
        },
        clientErrorHandler: (error, socket) => answerSocketError(error, socket, logger),
        frameworkErrors: (error, request, reply) => {
          setHeaders(reply, request.id);
          sendError(error, request as FastifyRequest, reply as FastifyReply);
        },
      }).withTypeProvider<TypeBoxTypeProvider>() as HttpServer;
    } catch (thrown) {
      if (!(thrown instanceof TypeError) || !trustProxy?.length) throw thrown;
      throw new ZkraftError('config_invalid', `server.trust_proxy: ${thrown.message}; name addresses or networks`, {
        field: 'server.trust_proxy',
      });
    }
  }
}

function requestIdOf(raw: IncomingMessage): string {
  const given = raw.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/** Of a stranger's error only what can hold no row, leaf or key: database errors carry whole rows in other fields. */
function forLog(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return { message: typeof thrown };
  return { type: thrown.name, message: thrown.message, stack: thrown.stack };
}

function drain(raw: IncomingMessage, reply: FastifyReply, bytesMax: number): void {
  let bytes = 0;
  reply.removeHeader('connection');
  raw.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > bytesMax) raw.destroy();
  });
  raw.on('error', () => {});
  raw.resume();
}

function addJsonParser(app: HttpServer, depthMax: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(request.headers['content-type'] ?? '')?.[1];
    const encoding = request.headers['content-encoding'];
    try {
      if ((charset ?? 'utf-8').toLowerCase() !== 'utf-8' || (encoding ?? 'identity') !== 'identity') {
        throw new ZkraftError('unsupported_media_type', 'send the body as application/json in UTF-8, not compressed');
      }
      done(null, parseJsonBody(body as Buffer, depthMax));
    } catch (thrown) {
      done(thrown as Error);
    }
  });
}

function setHeaders(reply: { header(name: string, value: string): unknown }, requestId: string): void {
  reply.header('x-request-id', requestId);
  reply.header('x-content-type-options', 'nosniff');
  reply.header('x-frame-options', 'DENY');
  reply.header('referrer-policy', 'no-referrer');
  reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  reply.header('cache-control', 'no-store');
}

function addHeaders(app: HttpServer, writeTimeoutMs: number): void {
  app.addHook('onRequest', async (request, reply) => {
    setHeaders(reply, request.id);
    setSocketTimeout(request, 0);
  });
  app.addHook('onSend', async (request) => {
    setSocketTimeout(request, writeTimeoutMs);
  });
}

/** Without activity on the socket it is destroyed. Between two requests Node sets the idle time instead. */
function setSocketTimeout({ raw: { socket } }: FastifyRequest, timeoutMs: number): void {
  if (socket instanceof Socket) socket.setTimeout(timeoutMs);
}

/** 404 and 405 before the body is read, so that a body cannot turn them into something else; 503 while closing. */
function addRouteRefusals(app: HttpServer, closing: AbortSignal): void {
  const routes: { readonly pattern: RegExp; readonly methods: Set<string> }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const source = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[A-Za-z_]+/g, '[^/]+');
    const pattern = new RegExp(`^${source}$`);
    const known = routes.find((route) => route.pattern.source === pattern.source);
    const methods = known?.methods ?? new Set<string>();
    for (const name of [method].flat()) methods.add(name);
    if (!known) routes.push({ pattern, methods });
  });
  const refuse = (request: FastifyRequest, reply: FastifyReply): never => {
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = routes.find((route) => route.pattern.test(path))?.methods;
    if (!methods) throw new ZkraftError('route_not_found', 'no such route; GET / says where the routes are listed');
    const allowed = [...methods].sort().join(', ');
    reply.header('allow', allowed);
    throw new ZkraftError('method_not_allowed', `this route takes ${allowed}, not ${request.method}`);
  };
  app.addHook('onRequest', async (request, reply) => {
    if (closing.aborted) throw new ZkraftError('shutting_down', 'this process is stopping; try again later');
    if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) {
      throw new ZkraftError('invalid_request', 'an HTTP/1.1 request must have a Host header', { field: 'Host' });
    }
    if (!/^(100-continue)?$/i.test(request.headers.expect ?? '')) {
      throw new ZkraftError('invalid_request', 'Expect may only be 100-continue', { field: 'Expect' });
    }
    if (request.is404) refuse(request, reply);
  });
  app.setNotFoundHandler(refuse);
}

/** One line an answer. Neither query, body nor message: only what has a closed set of values or is ours. */
function addRequestLog(app: HttpServer): void {
  const quiet = new Set(['/livez', '/health', '/ready', '/metrics']);
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    request.log[quiet.has(route) ? 'debug' : 'info'](
      {
        method: request.method,
        route,
        status: reply.statusCode,
        duration_ms: Math.round(reply.elapsedTime),
        ...(request.errorCode === null ? {} : { code: request.errorCode }),
      },
      'request',
    );
  });
}

/** `/livez` and, with a registry, the metrics. `schemas` describe them to a plugin that collects descriptions. */
export function addProcessRoutes(
  app: HttpServer,
  { service, registry, metricsPath }: Pick<HttpServerOptions, 'service' | 'registry' | 'metricsPath'>,
  schemas: { readonly live?: FastifySchema; readonly metrics?: FastifySchema } = {},
): void {
  app.get('/livez', { schema: schemas.live ?? {} }, async (_request, reply) =>
    reply.send({ status: 'ok', service, version: VERSION, uptime_s: Math.floor(process.uptime()) }),
  );
  if (!registry) return;
  app.get(metricsPath ?? '/metrics', { schema: schemas.metrics ?? {} }, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
}
