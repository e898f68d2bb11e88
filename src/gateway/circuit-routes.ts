/** GET /api/v1/circuits, /api/v1/circuits/{id}, /api/v1/circuits/{id}/verification-key. */
import Type from 'typebox';
import type { HttpServer } from '../common/http/index.ts';
import { type Circuits, describeCircuit } from './circuits.ts';
import * as schemas from './schemas.ts';

export function addCircuitRoutes(api: HttpServer, circuits: Circuits): void {
  const notFound = schemas.refusals([...schemas.API_REFUSALS, 'circuit_not_found']);

  api.get(
    '/circuits',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listCircuits',
        summary: 'The circuits that have keys here',
        tags: ['circuits'],
        querystring: schemas.noQuery,
        response: {
          200: { description: 'The circuits.', ...schemas.circuitsAnswer },
          ...schemas.refusals(schemas.API_REFUSALS),
        },
      },
    },
    async (request) => ({
      success: true as const,
      circuits: (await circuits.list()).map(describeCircuit),
      request_id: request.id,
    }),
  );

  api.get(
    '/circuits/:id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getCircuit',
        summary: 'One circuit',
        tags: ['circuits'],
        params: schemas.circuitParams,
        querystring: schemas.noQuery,
        response: { 200: { description: 'The circuit.', ...schemas.circuitAnswer }, ...notFound },
      },
    },
    async (request) => ({
      success: true as const,
      circuit: describeCircuit(await circuits.get(request.params.id)),
      request_id: request.id,
    }),
  );

  api.get(
    '/circuits/:id/verification-key',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getVerificationKey',
        summary: 'The key that verifies proofs of this circuit, as snarkjs reads it',
        description:
          'The pinned bytes as they are: their SHA-256 is the verification_key_id, and the ETag. X-Trusted-Setup says ' +
          'how the key was made.',
        tags: ['circuits'],
        params: schemas.circuitParams,
        querystring: schemas.noQuery,
        response: {
          200: { ...schemas.verificationKey, description: 'The key.' },
          304: Type.Null({ description: 'If-None-Match names the current key.' }),
          ...notFound,
        },
      },
      // The bytes go out as they were pinned; a serializer would write others.
      serializerCompiler: () => (value) => JSON.stringify(value),
    },
    async (request, reply) => {
      const circuit = await circuits.get(request.params.id);
      const { digest } = circuit.manifest.files.vkey;
      reply
        .header('etag', `"${digest}"`)
        .header('cache-control', 'private, max-age=3600')
        .header('x-trusted-setup', circuit.manifest.trustedSetup);
      if (namesTag(request.headers['if-none-match'], digest)) return reply.code(304).send(null);
      const bytes = await circuits.verificationKey(circuit);
      return reply.type('application/json; charset=utf-8').send(Buffer.from(bytes) as never);
    },
  );
}

/** RFC 9110, 13.1.2: a list of tags, weak or strong, or `*`. */
function namesTag(header: string | undefined, digest: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => ['*', `"${digest}"`, `W/"${digest}"`].includes(tag.trim()));
}
