/**
 * Who may pass, before a body is read: the Host check, authentication, the rate limit, the scope of the route.
 *
 * In this order: a request that names nobody counts against its address, so that keys cannot be guessed fast; one that
 * names a key counts against that key, wherever it comes from. An address that used its guesses up is refused before
 * the database is asked for one more. Routes outside /api/v1 are open and cheap.
 */
import { performance } from 'node:perf_hooks';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpServer } from '../common/http/index.ts';
import { addressKey, invariant, ZkraftError } from '../common/index.ts';
import type { Scope } from '../store/types.ts';
import type { Authenticator } from './authentication.ts';
import type { GatewayMetrics } from './metrics.ts';
import { isLoopback, type RateLimitOptions } from './options.ts';
import { addressMatcher, TokenBuckets } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose tasks these are; set on every route below /api/v1. */
    owner: string;
    /** What the client is counted by: its key's name or its address. */
    client: string;
    /** The key that was sent, if it is one of the database. */
    keyId: string | undefined;
  }
  interface FastifyContextConfig {
    /** What a key must be allowed to do to use the route. Every route below /api/v1 names it. */
    scope?: Scope;
  }
}

const CLIENTS_MAX = 20_000;

export interface AccessOptions {
  readonly authenticator: Authenticator;
  /** True when clients are known by keys; false when all are the same anonymous owner. */
  readonly byKey: boolean;
  readonly rateLimit: RateLimitOptions;
  readonly metrics: GatewayMetrics;
}

/** Makes every route of `api` ask who it is and how fast it comes. */
export function guard(api: HttpServer, options: AccessOptions): void {
  const { authenticator, rateLimit, metrics } = options;
  const buckets = new TokenBuckets({ ...rateLimit, clientsMax: CLIENTS_MAX });
  const exempt = addressMatcher(rateLimit.whitelist, 'rate_limit.whitelist');
  const count = (
    request: FastifyRequest,
    reply: FastifyReply,
    by: 'key' | 'address',
    client: string,
    step: 'take' | 'look' = 'take',
  ): void => {
    if (!rateLimit.enabled || exempt(request.ip)) return;
    const waitMs = buckets[step](client, performance.now());
    if (waitMs === 0) return;
    const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
    metrics.rateLimited.inc({ by });
    reply.header('retry-after', String(seconds));
    throw new ZkraftError(
      'rate_limited',
      `more than ${rateLimit.requestsPerSecond} requests a second after a burst of ${rateLimit.burst}; ` +
        `wait ${seconds} s`,
    );
  };
  api.decorateRequest('owner', '');
  api.decorateRequest('client', '');
  api.decorateRequest('keyId', undefined);
  api.addHook('onRoute', ({ url, config }) => {
    invariant(config?.scope !== undefined, `the route ${url} names the scope that it needs`);
  });
  api.addHook('onRequest', async (request, reply) => {
    const address = `address ${addressKey(request.ip)}`;
    const identity = await authenticator.authenticate(onlyOne(request, 'authorization'), () =>
      count(request, reply, 'address', address, 'look'),
    );
    if (identity === undefined) {
      count(request, reply, 'address', address);
      reply.header('www-authenticate', 'Bearer');
      throw new ZkraftError('unauthenticated', 'send an API key of this gateway: Authorization: Bearer KEY');
    }
    request.owner = identity.owner;
    request.keyId = identity.keyId;
    request.client = options.byKey ? `key ${identity.owner}` : address;
    count(request, reply, options.byKey ? 'key' : 'address', request.client);
    checkScope(identity.scopes, request.routeOptions.config.scope);
  });
}

/** Throws `forbidden`, naming what is missing. */
function checkScope(scopes: readonly Scope[], needed: Scope | undefined): void {
  invariant(needed !== undefined, 'a route below /api/v1 names its scope');
  if (scopes.includes(needed) || scopes.includes('admin')) return;
  throw new ZkraftError(
    'forbidden',
    `this key lacks the scope ${needed}; use one that has it (zkraft keys create --scopes ${needed},...)`,
  );
}

/** A header's value; two of it could be read differently by a proxy and by us, so they count as none. */
function onlyOne(request: FastifyRequest, name: string): string | undefined {
  const values = request.raw.headersDistinct[name];
  return values?.length === 1 ? values[0] : undefined;
}

/**
 * Refuses names that are not this machine's own. A gateway without authentication listens on loopback only, but a web
 * page can let its own name point there (DNS rebinding) and would then read answers as one of its own.
 */
export function checkHostNames(app: HttpServer): void {
  app.addHook('onRequest', async (request) => {
    const host = request.headers.host;
    // Browsers always send it; HTTP/1.0 clients need not.
    if (host === undefined || host === '') return;
    const name = host
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase();
    if (isLoopback(name) || name.endsWith('.localhost')) return;
    throw new ZkraftError(
      'host_not_allowed',
      'this gateway asks nobody who they are and answers only as localhost; ' +
        'use http://127.0.0.1, or set auth.mode to keys to serve other names',
    );
  });
}
