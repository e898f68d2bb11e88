/**
 * The HTTP face: puts the parts together, listens, and closes.
 *
 * A submit is validated, its root computed and its row committed before 202 goes out; nothing else is kept here, so
 * that gateways can be many and each can die at any time.
 */
import cors from '@fastify/cors';
import { addProcessRoutes, createHttpServer, type HttpServer, listenHttp } from '../common/http/index.ts';
import { createRegistry } from '../common/metrics/index.ts';
import { checkHostNames, guard } from './access.ts';
import { createAuthenticator } from './authentication.ts';
import { addCircuitRoutes } from './circuit-routes.ts';
import { Circuits } from './circuits.ts';
import { addControlRoutes } from './control-routes.ts';
import { createFrontPage } from './front-page.ts';
import { HealthChecks } from './health.ts';
import { LongPolls } from './long-polls.ts';
import { createGatewayMetrics, type GatewayMetrics, methodLabel } from './metrics.ts';
import { collectOpenApi } from './openapi.ts';
import { type CorsOptions, checkBind, DEFAULTS, type GatewayOptions } from './options.ts';
import { TreeRoots } from './roots.ts';
import { addServiceRoutes, liveSchema, metricsSchema } from './service-routes.ts';
import { addTaskList } from './task-list.ts';
import { addTaskRoutes } from './task-routes.ts';

export interface Gateway extends AsyncDisposable {
  readonly port: number;
  /** Such as http://127.0.0.1:8080. */
  readonly url: string;
  /** Answers what is in flight, ends long-polls at once and the rest within two seconds. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with `bind_unauthenticated`, `port_in_use` or `config_invalid`, and then leaves nothing behind. */
export async function startGateway(given: GatewayOptions): Promise<Gateway> {
  checkBind(given.host, given.authentication.mode);
  const options = {
    ...DEFAULTS,
    ...given,
    rateLimit: { ...DEFAULTS.rateLimit, ...given.rateLimit },
    cors: { ...DEFAULTS.cors, ...given.cors },
    metrics: { ...DEFAULTS.metrics, ...given.metrics },
  };
  const byKey = options.authentication.mode === 'keys';
  const registry = createRegistry('gateway');
  const app = createHttpServer({
    logger: options.logger,
    service: 'gateway',
    processRoutes: false,
    ...(options.trustProxy ? { trustProxy: options.trustProxy } : {}),
    ...(options.tls ? { tls: options.tls } : {}),
    bodyLimitBytes: options.bodyLimitBytes,
    requestTimeoutMs: options.readTimeoutMs,
    writeTimeoutMs: options.writeTimeoutMs,
    keepAliveTimeoutMs: options.idleTimeoutMs,
  });
  const longPolls = new LongPolls({ max: options.longPollsMax, perClientMax: options.longPollsPerClientMax });
  const metrics = createGatewayMetrics(registry, () => longPolls.open);
  const circuits = new Circuits(options.artifacts);
  const authenticator = createAuthenticator(options.authentication, options.logger);

  measure(app, metrics);
  if (!byKey && !options.trustProxy?.length) checkHostNames(app);
  if (options.cors.enabled) await allowOrigins(app, options.cors);
  await collectOpenApi(app, byKey);
  addProcessRoutes(
    app,
    { service: 'gateway', ...(options.metrics.enabled ? { registry, metricsPath: options.metrics.path } : {}) },
    { live: liveSchema, metrics: metricsSchema },
  );
  addServiceRoutes(app, new HealthChecks(options.health, circuits), createFrontPage({ withKey: byKey }));
  await app.register(
    async (scope) => {
      const api = scope as HttpServer;
      guard(api, { authenticator, byKey, rateLimit: options.rateLimit, metrics });
      addTaskRoutes(api, { ...options, circuits, longPolls, metrics, roots: new TreeRoots(options.prover) });
      addTaskList(api, options.tasks);
      addControlRoutes(api, options);
      addCircuitRoutes(api, circuits);
    },
    { prefix: '/api/v1' },
  );

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= app.close();
    return closed;
  };
  try {
    const { port, url } = await listenHttp(app, { host: options.host, port: options.port, portSetting: 'server.port' });
    options.logger.info({ url }, 'gateway listens');
    return { port, url, close, [Symbol.asyncDispose]: close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function allowOrigins(app: HttpServer, options: CorsOptions): Promise<void> {
  const all = options.allowedOrigins.includes('*');
  await app.register(cors, {
    origin: all ? '*' : [...options.allowedOrigins],
    methods: [...options.allowedMethods],
    allowedHeaders: [...options.allowedHeaders],
    exposedHeaders: ['X-Request-ID', 'X-Cache', 'X-Trusted-Setup', 'Retry-After', 'Location', 'ETag'],
    // Keys travel in a header that a page must set itself; cookies play no part.
    credentials: false,
    maxAge: 600,
    strictPreflight: false,
  });
}

function measure(app: HttpServer, metrics: GatewayMetrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
    const method = methodLabel(request.method);
    metrics.requests.inc({ route, method, status: `${Math.floor(reply.statusCode / 100)}xx` });
    const query: unknown = request.query;
    const waits = typeof query === 'object' && query !== null && 'wait' in query;
    if (!waits) metrics.durations.observe({ route, method }, reply.elapsedTime / 1_000);
  });
}
