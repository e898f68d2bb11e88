import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ERROR_TABLE, isErrorCode } from '../../src/common/index.ts';
import { MALFORMED, request } from './malformed.ts';
import { get, parseRaw, raw, submit, type TestGateway, testGateway } from './support.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Codes that are answered below the routes and so belong to none. */
const BELOW_ROUTES = new Set(['route_not_found', 'method_not_allowed']);

describe('a malformed request gets its documented code, over a real socket', () => {
  let part: TestGateway;
  // biome-ignore lint/suspicious/noExplicitAny: a document of any shape
  let openapi: any;

  before(async () => {
    part = await testGateway({ readTimeoutMs: 600 });
    openapi = (await get(part.gateway.url, '/openapi.json')).json;
  });
  after(() => part.gateway.close());

  for (const { name, code, names, pieces } of MALFORMED) {
    test(`${name}: ${code}`, async () => {
      const rowsBefore = part.tasks.rows.size;
      const answer = parseRaw(await raw(part.gateway.port, pieces));
      assert.equal(answer.json.code, code, JSON.stringify(answer.json));
      assert.ok(isErrorCode(code));
      assert.equal(answer.status, ERROR_TABLE[code].http);
      assert.deepEqual(Object.keys(answer.json).sort(), ['code', 'error', 'request_id', 'success']);
      assert.equal(answer.json.success, false);
      assert.match(answer.json.request_id, UUID);
      assert.equal(answer.headers.get('x-request-id') ?? answer.json.request_id, answer.json.request_id);
      if (names) assert.match(answer.json.error, names);
      assert.ok(answer.json.error.length < 600, 'a message does not repeat the body');
      assert.equal(part.tasks.rows.size, rowsBefore, 'nothing was stored');

      const live = await get(part.gateway.url, '/livez');
      assert.equal(live.status, 200, 'the gateway lives');
      const documented = openapi.paths[routeOf(pieces)?.path ?? '']?.[routeOf(pieces)?.method ?? ''];
      if (documented && !BELOW_ROUTES.has(code)) {
        const codes = documented.responses[answer.status]?.content['application/json'].schema.properties.code.enum;
        assert.ok(codes?.includes(code), `${code} is documented for ${routeOf(pieces)?.path}`);
      }
    });
  }

  test('a body that is refused for its size is read away, and the connection serves the next request', async () => {
    const bytes = 12 * 1024 * 1024;
    const head = `POST /api/v1/tasks/merkle HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`;
    const text = await raw(part.gateway.port, [head, Buffer.alloc(bytes, 0x20), ...request('GET', '/livez')]);
    assert.deepEqual(
      [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]),
      ['413', '200'],
    );
  });

  test('but only up to eight times the limit: then the connection ends', async () => {
    const small = await testGateway({ bodyLimitBytes: 64 * 1024 });
    try {
      const head = `POST /api/v1/tasks/merkle HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n`;
      const flood = Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024, 0x20));
      assert.match(await raw(small.gateway.port, [head, 50, ...flood], 3_000), /^HTTP\/1\.1 413/);
    } finally {
      await small.gateway.close();
    }
  });

  test('after all of them a good request still works', async () => {
    const { status } = await submit(part.gateway.url, { leaves: ['1', '2'], leaf_index: 1 });
    assert.equal(status, 202);
  });
});

/** The documented route that a raw request is for. */
function routeOf(pieces: readonly unknown[]): { method: string; path: string } | undefined {
  const match = /^([A-Z]+) ([^ ?]+)/.exec(String(pieces[0]));
  if (!match?.[1] || !match[2]) return undefined;
  const path = match[2]
    .replace(/^\/api\/v1\/tasks\/(?!merkle$)[^/]+$/, '/api/v1/tasks/{id}')
    .replace(/^\/api\/v1\/circuits\/[^/]+/, '/api/v1/circuits/{id}');
  return { method: match[1].toLowerCase(), path };
}
