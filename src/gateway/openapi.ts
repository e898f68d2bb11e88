/** /openapi.json: OpenAPI 3.1, collected from the schemas of the routes that are added after this. */
import swagger from '@fastify/swagger';
import Type from 'typebox';
import type { HttpServer } from '../common/http/index.ts';
import { VERSION } from '../common/index.ts';
import { serviceRefusals } from './schemas.ts';

export async function collectOpenApi(app: HttpServer, withKeys: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'zkraft gateway',
        version: VERSION,
        description:
          'Submit Merkle tasks and fetch Groth16 proofs over BN254. Every refusal is {success: false, error, code, ' +
          'request_id}; a request that is not well-formed HTTP gets one too.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'tasks', description: 'Ask for proofs and fetch them' },
        { name: 'circuits', description: 'What can be proved here, and the keys to verify it with' },
        { name: 'service', description: 'The process and its health' },
      ],
      ...(withKeys
        ? {
            components: { securitySchemes: { apiKey: { type: 'http' as const, scheme: 'bearer' } } },
            security: [{ apiKey: [] }],
          }
        : {}),
    },
  });
  let text: string | undefined;
  const schema = {
    operationId: 'openapi',
    summary: 'This document',
    tags: ['service'],
    security: [],
    response: {
      200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: Type.Unknown() } } },
      ...serviceRefusals,
    },
  };
  app.get('/openapi.json', { schema }, async (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').header('cache-control', 'public, max-age=300').send(text);
  });
}
