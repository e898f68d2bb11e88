/** GET /health, /ready and /: is it well, and what is it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { errorAnswer, type HttpServer } from '../common/http/index.ts';
import { VERSION } from '../common/index.ts';
import { type FrontPage, renderFrontPage } from './front-page.ts';
import type { Checked, HealthChecks } from './health.ts';
import * as schemas from './schemas.ts';

const SERVICE = 'zkraft gateway';

export const liveSchema = {
  operationId: 'live',
  summary: 'Does the process live',
  description: 'About the process alone. What restarts must ask this, and nothing else.',
  tags: ['service'],
  security: [],
  response: { 200: { description: 'Yes.', ...schemas.liveAnswer }, ...schemas.serviceRefusals },
};

export const metricsSchema = {
  operationId: 'metrics',
  summary: 'Metrics for Prometheus',
  tags: ['service'],
  security: [],
  response: {
    200: { description: 'The metrics.', content: { 'text/plain': { schema: Type.String() } } },
    ...schemas.serviceRefusals,
  },
};

export function addServiceRoutes(app: HttpServer, checks: HealthChecks, page: FrontPage): void {
  const answer = (request: FastifyRequest, reply: FastifyReply, { checks: parts, error }: Checked, good: string) => {
    const shown = { status: error ? 'unavailable' : good, service: 'gateway', version: VERSION, checks: parts };
    if (!error) return reply.code(200).send(shown);
    request.errorCode = error.code;
    return reply
      .code(503)
      .header('retry-after', '1')
      .send({ ...errorAnswer(error, request.id), ...shown });
  };
  const unavailable = {
    ...schemas.serviceRefusals,
    503: {
      ...schemas.unavailableAnswer,
      description: 'The answer is no: the database is away, or (for /ready) no circuit has keys.',
    },
  };

  app.get(
    '/health',
    {
      schema: {
        operationId: 'health',
        summary: 'Can the gateway do its work',
        tags: ['service'],
        security: [],
        response: { 200: { description: 'Yes.', ...schemas.checksAnswer }, ...unavailable },
      },
    },
    async (request, reply) => answer(request, reply, await checks.health(), 'ok'),
  );

  app.get(
    '/ready',
    {
      schema: {
        operationId: 'ready',
        summary: 'Should it be sent requests',
        tags: ['service'],
        security: [],
        response: { 200: { description: 'Yes.', ...schemas.checksAnswer }, ...unavailable },
      },
    },
    async (request, reply) => answer(request, reply, await checks.ready(), 'ready'),
  );

  const frontSchema = {
    operationId: 'front',
    summary: 'What this is; a page for browsers, by Accept',
    tags: ['service'],
    security: [],
    response: {
      200: {
        description: 'Service, version and routes.',
        content: { 'application/json': { schema: schemas.frontAnswer }, 'text/html': { schema: Type.String() } },
      },
      ...schemas.serviceRefusals,
    },
  };
  app.get('/', { schema: frontSchema }, async (request, reply) => {
    reply.header('vary', 'Accept');
    if (/\btext\/html\b/i.test(request.headers.accept ?? '')) {
      reply.header('content-security-policy', page.contentSecurityPolicy);
      return reply.type('text/html; charset=utf-8').send(renderFrontPage(page, originOf(request)));
    }
    return reply.send({
      service: SERVICE,
      version: VERSION,
      openapi: '/openapi.json',
      routes: [
        'POST /api/v1/tasks/merkle',
        'GET /api/v1/tasks',
        'GET /api/v1/tasks/{id}?wait=20s',
        'POST /api/v1/tasks/{id}/cancel',
        'POST /api/v1/tasks/{id}/resubmit',
        'GET /api/v1/circuits',
        'GET /api/v1/circuits/{id}',
        'GET /api/v1/circuits/{id}/verification-key',
        'GET /livez',
        'GET /health',
        'GET /ready',
        'GET /openapi.json',
      ],
    });
  });
}

/** Where the browser found us. A Host header that is no host is not repeated. */
function originOf(request: FastifyRequest): string {
  const host = request.host;
  return /^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$|^\[[0-9a-fA-F:]{2,45}\](:\d{1,5})?$/.test(host)
    ? `${request.protocol === 'https' ? 'https' : 'http'}://${host}`
    : 'http://127.0.0.1:8080';
}
