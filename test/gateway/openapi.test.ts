import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { ERROR_TABLE, isErrorCode, sha256Hex } from '../../src/common/index.ts';
import { get, type TestGateway, testGateway } from './support.ts';

// Fastify's own validator, at the dialect that OpenAPI 3.1 speaks (JSON Schema 2020-12).
const { default: Ajv } = createRequire(createRequire(import.meta.url).resolve('fastify'))('ajv/dist/2020.js');

/** What OpenAPI 3.1 asks of the parts that we use (sections 4.8.1 to 4.8.24): names, required fields, no others. */
const text = { type: 'string', minLength: 1 };
const media = {
  type: 'object',
  required: ['schema'],
  properties: { schema: { type: ['object', 'boolean'] } },
  additionalProperties: false,
};
const content = { type: 'object', additionalProperties: media, minProperties: 1 };
const operation = {
  type: 'object',
  required: ['operationId', 'summary', 'tags', 'responses'],
  additionalProperties: false,
  properties: {
    operationId: text,
    summary: text,
    description: text,
    tags: { type: 'array', items: text },
    security: { type: 'array', items: { type: 'object' } },
    parameters: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'in', 'schema', 'required'],
        additionalProperties: false,
        properties: {
          name: text,
          in: { enum: ['query', 'header', 'path'] },
          required: { type: 'boolean' },
          description: text,
          schema: { type: 'object' },
          examples: { type: 'object' },
          example: {},
        },
        if: { properties: { in: { const: 'path' } } },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: { properties: { required: { const: true } } },
      },
    },
    requestBody: {
      type: 'object',
      required: ['content', 'required'],
      properties: { content, required: { type: 'boolean' }, description: text },
      additionalProperties: false,
    },
    responses: {
      type: 'object',
      minProperties: 1,
      patternProperties: {
        '^[1-5]\\d\\d$': {
          type: 'object',
          required: ['description'],
          properties: { description: text, content, headers: { type: 'object' } },
          additionalProperties: false,
        },
      },
      additionalProperties: false,
    },
  },
};
const DOCUMENT = {
  type: 'object',
  required: ['openapi', 'info', 'paths'],
  additionalProperties: false,
  properties: {
    openapi: { const: '3.1.0' },
    info: {
      type: 'object',
      required: ['title', 'version'],
      properties: { title: text, version: text, description: text, license: { type: 'object', required: ['name'] } },
      additionalProperties: false,
    },
    servers: { type: 'array', items: { type: 'object', required: ['url'] } },
    tags: { type: 'array', items: { type: 'object', required: ['name'] } },
    components: { type: 'object', properties: { schemas: { type: 'object' }, securitySchemes: { type: 'object' } } },
    security: { type: 'array' },
    paths: {
      type: 'object',
      patternProperties: {
        '^/': { type: 'object', propertyNames: { enum: ['get', 'post'] }, additionalProperties: operation },
      },
      additionalProperties: false,
    },
  },
};

const ROUTES = [
  'get /',
  'get /api/v1/circuits',
  'get /api/v1/circuits/{id}',
  'get /api/v1/circuits/{id}/verification-key',
  'get /api/v1/tasks',
  'get /api/v1/tasks/{id}',
  'get /health',
  'get /livez',
  'get /metrics',
  'get /openapi.json',
  'get /ready',
  'post /api/v1/tasks/merkle',
  'post /api/v1/tasks/{id}/cancel',
  'post /api/v1/tasks/{id}/resubmit',
];

describe('the OpenAPI document', () => {
  let part: TestGateway;
  // biome-ignore lint/suspicious/noExplicitAny: a document of any shape
  let document: any;
  before(async () => {
    part = await testGateway();
    document = (await get(part.gateway.url, '/openapi.json')).json;
  });
  after(() => part.gateway.close());

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      // biome-ignore lint/suspicious/noExplicitAny: a document of any shape
      Object.entries(methods as Record<string, any>).map(([method, op]) => ({ name: `${method} ${path}`, path, op })),
    );

  test('has the shape of OpenAPI 3.1', () => {
    const validate = new Ajv({ strict: false, allErrors: true }).compile(DOCUMENT);
    validate(document);
    assert.deepEqual(validate.errors, null);
  });

  test('every schema in it is a sound JSON Schema 2020-12', () => {
    const ajv = new Ajv({
      strict: true,
      strictTypes: false,
      keywords: ['x-error-code'],
      formats: { uuid: true, 'date-time': true },
    });
    let compiled = 0;
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        if (key === 'schema') {
          ajv.compile(inner);
          compiled += 1;
        } else walk(inner);
      }
    };
    walk(document.paths);
    assert.ok(compiled > 30);
  });

  test('shows every route of the gateway, and no other', () => {
    assert.deepEqual(
      operations()
        .map(({ name }) => name)
        .sort(),
      ROUTES,
    );
    assert.equal(new Set(operations().map(({ op }) => op.operationId)).size, ROUTES.length);
  });

  test('every path parameter is described', () => {
    for (const { name, path, op } of operations()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      // biome-ignore lint/suspicious/noExplicitAny: a document of any shape
      const described = (op.parameters ?? []).filter((p: any) => p.in === 'path').map((p: any) => p.name);
      assert.deepEqual(described, inPath, name);
    }
  });

  test('codes stand under the status that the error table gives them', () => {
    for (const { name, path, op } of operations()) {
      if (!path.startsWith('/api/')) continue;
      // biome-ignore lint/suspicious/noExplicitAny: a document of any shape
      for (const [status, response] of Object.entries<any>(op.responses)) {
        if (Number(status) < 400) continue;
        const codes: string[] = response.content['application/json'].schema.properties.code.enum;
        for (const code of codes) {
          assert.ok(isErrorCode(code), `${code} of ${name}`);
          assert.equal(ERROR_TABLE[code].http, Number(status), `${code} of ${name}`);
          assert.ok(response.description.includes(ERROR_TABLE[code].text));
        }
      }
      for (const status of ['400', '401', '429', '500', '503'])
        assert.ok(status in op.responses, `${status} of ${name}`);
    }
  });

  test('the limits in it are those that are enforced', () => {
    const { properties, additionalProperties } =
      document.paths['/api/v1/tasks/merkle'].post.requestBody.content['application/json'].schema;
    assert.equal(additionalProperties, false);
    assert.deepEqual([properties.leaves.minItems, properties.leaves.maxItems], [1, 1000]);
    assert.deepEqual([properties.depth.minimum, properties.depth.maximum], [1, 32]);
    assert.deepEqual([properties.priority.minimum, properties.priority.maximum], [0, 9]);
  });

  test('names the security scheme when there are keys', async () => {
    const keyed = await testGateway({
      authentication: { mode: 'keys', keys: [{ name: 'a', sha256: sha256Hex('a') }] },
    });
    try {
      const { json } = await get(keyed.gateway.url, '/openapi.json');
      assert.deepEqual(json.security, [{ apiKey: [] }]);
      assert.equal(json.components.securitySchemes.apiKey.scheme, 'bearer');
      assert.deepEqual(json.paths['/health'].get.security, []);
    } finally {
      await keyed.gateway.close();
    }
  });
});
