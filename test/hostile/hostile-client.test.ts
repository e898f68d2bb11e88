import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { GatewayOptions } from '../../src/gateway/index.ts';
import { get, parseRaw, raw, submit, type TestGateway, testGateway } from '../gateway/support.ts';

const MIB = 1024 * 1024;
const SUBMIT = 'POST /api/v1/tasks/merkle HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const BODY = { leaves: ['1', '2', '3'], leaf_index: 1 };
const ALICE = 'alice-key-0123456789abcdef';
const BOB = 'bob-key-0123456789abcdef';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const KEYS: Partial<GatewayOptions> = {
  authentication: {
    mode: 'keys',
    keys: [
      { name: 'alice', sha256: sha256(ALICE) },
      { name: 'bob', sha256: sha256(BOB) },
    ],
  },
};
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

function hostile(name: string, body: (bed: TestGateway) => Promise<void>, options: Partial<GatewayOptions> = {}): void {
  test(name, async () => {
    const bed = await testGateway(options);
    try {
      await body(bed);
      const live = await get(bed.gateway.url, '/livez');
      assert.equal(live.status, 200, 'the gateway lives');
    } finally {
      await bed.gateway.close();
    }
  });
}

describe('a hostile client without a right to be there', () => {
  hostile(
    'gets 401 for no key, half a key, a hash, another scheme, and two keys at once; and nothing is stored',
    async ({ gateway, tasks }) => {
      const attempts: Record<string, string>[] = [
        {},
        { authorization: '' },
        { authorization: 'Bearer' },
        { authorization: `Bearer ${ALICE.slice(0, -1)}` },
        { authorization: `Bearer ${ALICE}x` },
        { authorization: `Bearer ${sha256(ALICE)}` },
        { authorization: `Basic ${Buffer.from(`alice:${ALICE}`).toString('base64')}` },
        { authorization: `Bearer ${ALICE}, Bearer ${BOB}` },
        { 'x-api-key': ALICE },
        { cookie: `authorization=Bearer ${ALICE}` },
        { authorization: `Bearer ${'k'.repeat(8_000)}` },
      ];
      for (const headers of attempts) {
        assert.equal((await submit(gateway.url, BODY, headers)).status, 401, JSON.stringify(headers).slice(0, 80));
        const read = await get(gateway.url, '/api/v1/tasks/00000000-0000-4000-8000-000000000000', headers);
        assert.equal(read.status, 401);
      }
      assert.equal(tasks.rows.size, 0);
      assert.equal((await submit(gateway.url, BODY, bearer(ALICE))).status, 202);
    },
    KEYS,
  );

  hostile(
    "cannot read, find, cancel or repeat another owner's task, nor tell it from one that is not there",
    async ({ gateway, tasks }) => {
      const { json } = await submit(gateway.url, BODY, bearer(ALICE));
      const there = `/api/v1/tasks/${json.task_id}`;
      const nowhere = '/api/v1/tasks/11111111-1111-4111-8111-111111111111';
      const same = ({ status, json: body }: { status: number; json: Record<string, unknown> }) => [
        status,
        body.code,
        String(body.error).replace(/[0-9a-f-]{36}/, 'ID'),
      ];
      assert.deepEqual(
        same(await get(gateway.url, there, bearer(BOB))),
        same(await get(gateway.url, nowhere, bearer(BOB))),
      );
      for (const action of ['cancel', 'resubmit']) {
        const post = async (path: string) => {
          const response = await fetch(`${gateway.url}${path}/${action}`, { method: 'POST', headers: bearer(BOB) });
          return { status: response.status, json: (await response.json()) as Record<string, unknown> };
        };
        const [mine, none] = [await post(there), await post(nowhere)];
        assert.deepEqual(same(mine), same(none), action);
        assert.equal(mine.status, 404);
      }
      const list = await get(gateway.url, '/api/v1/tasks', bearer(BOB));
      assert.equal(list.status, 200);
      assert.ok(!JSON.stringify(list.json).includes(json.task_id));
      // The same request of another owner is another task.
      const bobs = await submit(gateway.url, BODY, bearer(BOB));
      assert.equal(bobs.status, 202);
      assert.notEqual(bobs.json.task_id, json.task_id);
      assert.equal(tasks.rows.get(json.task_id)?.cancelRequestedAt, undefined);
    },
    KEYS,
  );
});

describe('a hostile client with ten thousand requests', () => {
  hostile(
    'gets its burst and its rate, whatever addresses and ids it claims, and memory stays',
    async ({ gateway, tasks }) => {
      const before = process.memoryUsage().rss;
      const begunAtMs = performance.now();
      const statuses: Record<number, number> = {};
      for (let wave = 0; wave < 100; wave++) {
        const answers = await Promise.all(
          Array.from({ length: 100 }, (_, i) =>
            submit(
              gateway.url,
              { leaves: ['1', String(wave * 100 + i + 2)], leaf_index: 0 },
              {
                'x-forwarded-for': `10.${wave}.${i}.1`,
                'x-real-ip': `10.0.${wave}.${i}`,
                forwarded: `for=10.1.${wave}.${i}`,
                'x-client-id': `${wave}-${i}`,
              },
            ),
          ),
        );
        for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
      }
      assert.deepEqual(Object.keys(statuses).sort(), ['202', '429']);
      const seconds = (performance.now() - begunAtMs) / 1_000;
      assert.ok((statuses[202] ?? 0) <= 20 + 10 * seconds, `${statuses[202]} were let through in ${seconds} s`);
      assert.equal(tasks.rows.size, statuses[202]);
      assert.ok(process.memoryUsage().rss - before < 300 * MIB);
    },
    { rateLimit: { enabled: true, requestsPerSecond: 10, burst: 20, whitelist: [] } },
  );
});

describe('a hostile client that is slow', () => {
  hostile(
    'with its headers or its body is cut off, and others are served meanwhile',
    async ({ gateway }) => {
      const drip = (text: string) => Array.from(text).flatMap((char) => [char, 120]);
      const slowHeaders = raw(gateway.port, drip(SUBMIT));
      const slowBody = raw(gateway.port, [
        `${SUBMIT}Content-Length: 60\r\n\r\n`,
        ...drip('{"leaves":["1","2","3"],"leaf_'),
      ]);
      const endless = raw(gateway.port, [
        `${SUBMIT}Transfer-Encoding: chunked\r\n\r\n`,
        ...drip('1\r\n{\r\n'.repeat(20)),
      ]);
      for (let i = 0; i < 20; i++) {
        const begunAtMs = performance.now();
        assert.equal((await submit(gateway.url, { leaves: ['5', String(i + 1)], leaf_index: 0 })).status, 202);
        assert.ok(performance.now() - begunAtMs < 2_000);
      }
      for (const answer of await Promise.all([slowHeaders, slowBody, endless])) {
        if (answer !== '') assert.equal(parseRaw(answer).status, 408);
      }
    },
    { readTimeoutMs: 600 },
  );

  hostile('and opens five hundred idle connections leaves room for others', async ({ gateway }) => {
    const sockets: Socket[] = [];
    for (let i = 0; i < 500; i++) {
      const socket = connect(gateway.port, '127.0.0.1');
      socket.on('error', () => {});
      sockets.push(socket);
    }
    assert.equal((await submit(gateway.url, BODY)).status, 202);
    for (const socket of sockets) socket.destroy();
  });
});

describe('a hostile client with tricks', () => {
  const once = async (port: number, request: string) => raw(port, [request, 400, ''], 4_000).catch(() => 'open');

  hostile(
    'in how long its body is says it twice, falsely or both ways, and smuggles nothing',
    async ({ gateway, tasks }) => {
      const inner = 'GET /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n';
      const body = JSON.stringify(BODY);
      for (const lengths of [
        `Content-Length: ${body.length}\r\nTransfer-Encoding: chunked\r\n`,
        `Content-Length: ${body.length}\r\nContent-Length: ${body.length + inner.length}\r\n`,
        'Content-Length: -1\r\n',
        'Content-Length: 1e3\r\n',
        'Transfer-Encoding: chunked, identity\r\n',
        'Transfer-Encoding: \x0bchunked\r\n',
      ]) {
        const said = await once(gateway.port, `${SUBMIT}${lengths}Connection: close\r\n\r\n${body}${inner}`);
        const answers = [...said.matchAll(/HTTP\/1\.1 \d{3}/g)].length;
        assert.ok(answers <= 1, `${JSON.stringify(lengths)}: ${answers} answers`);
        if (answers === 1) assert.ok(parseRaw(said).status >= 400, lengths);
      }
      assert.equal(tasks.rows.size, 0);
    },
  );

  hostile('in its headers cannot split lines, overrule methods, or speak for an origin', async ({ gateway }) => {
    const { headers } = await submit(gateway.url, BODY, {
      'x-request-id': 'a'.repeat(5_000),
      'x-http-method-override': 'DELETE',
      'x-original-url': '/metrics',
      origin: 'https://evil.example',
    });
    assert.ok((headers.get('x-request-id') ?? '').length <= 64);
    assert.equal(headers.get('access-control-allow-origin'), null);
    const split = await once(
      gateway.port,
      `${SUBMIT}X-Request-ID: a\rSet-Cookie: x=1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    );
    assert.ok(!/set-cookie/i.test(split));
    const large = await once(gateway.port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`);
    assert.equal(parseRaw(large).status, 431);
  });

  hostile(
    'in its JSON sets no prototype, and is refused when it is deep, huge or no number',
    async ({ gateway, tasks }) => {
      const before = tasks.rows.size;
      for (const [body, status] of [
        ['{"__proto__":{"admin":true},"leaves":["1"],"leaf_index":0}', 400],
        ['{"constructor":{"prototype":{"x":1}},"leaves":["1"],"leaf_index":0}', 400],
        [`{"leaves":${'['.repeat(50_000)}${']'.repeat(50_000)},"leaf_index":0}`, 400],
        [JSON.stringify({ leaves: ['9'.repeat(1_000_000)], leaf_index: 0 }), 400],
        [JSON.stringify({ leaves: ['١', '2'], leaf_index: 0 }), 400],
        [JSON.stringify({ leaves: ['1', '2'], leaf_index: 1e308 }), 400],
        [JSON.stringify({ leaves: ['1', '2'], leaf_index: -0.5 }), 400],
        [JSON.stringify({ leaves: Array.from({ length: 200_000 }, () => '1'), leaf_index: 0 }), 400],
        [`"${'a'.repeat(6 * MIB)}"`, 413],
      ] as const) {
        assert.equal((await submit(gateway.url, body)).status, status, body.slice(0, 60));
      }
      assert.equal(({} as Record<string, unknown>).admin, undefined);
      assert.equal(tasks.rows.size, before);
    },
  );

  hostile(
    "with another owner's idempotency key reaches its own tasks alone",
    async ({ gateway }) => {
      const headers = { 'idempotency-key': 'order-1' };
      const mine = await submit(gateway.url, BODY, { ...headers, ...bearer(ALICE) });
      const theirs = await submit(gateway.url, { leaves: ['7'], leaf_index: 0 }, { ...headers, ...bearer(BOB) });
      assert.deepEqual([mine.status, theirs.status], [202, 202]);
      assert.notEqual(mine.json.task_id, theirs.json.task_id);
      const conflict = await submit(gateway.url, { leaves: ['8'], leaf_index: 0 }, { ...headers, ...bearer(ALICE) });
      assert.equal(conflict.status, 409);
    },
    KEYS,
  );
});
