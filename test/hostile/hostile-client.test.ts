/**
 * A client that means harm, at a gateway over real sockets: without a key, after others' tasks, with headers and bodies
 * that mean two things. It is told what is documented, and another client's tasks are as they were.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, exchange, type Front, HONEST_ADDRESS, repliesIn, requestText, startFront } from './front.ts';

const TASKS = '/api/v1/tasks';
const SUBMIT = `${TASKS}/merkle`;
const BODY = { leaves: ['11', '22', '33'], leaf_index: 1 };
const LIMIT_BYTES = 256 * 1024;

let front: Front;
let alice: string;
let mallory: string;
/** Alice's, whose id Mallory knows. */
let task: string;

const auth = (key: string): string => `Authorization: ${key}`;
const asMallory = (method: string, path: string, headers: readonly string[] = [], body?: unknown) =>
  ask(front.port, method, path, [auth(mallory), ...headers], body);
const asAlice = (method: string, path: string, body?: unknown) =>
  ask(front.port, method, path, [auth(alice)], body, HONEST_ADDRESS);

before(async () => {
  const rateLimit = { enabled: true, requestsPerSecond: 1_000, burst: 1_000, whitelist: [] };
  const cors = { enabled: true, allowedOrigins: ['https://app.example'] };
  front = await startFront({ bodyLimitBytes: LIMIT_BYTES, readTimeoutMs: 3_000, rateLimit, cors });
  alice = await front.key('alice');
  mallory = await front.key('mallory');
  const submitted = await asAlice('POST', SUBMIT, BODY);
  assert.equal(submitted.status, 202, submitted.head);
  task = submitted.json.task_id;
});
after(() => front?.close());

/** After whatever was tried: nobody else has what is Alice's, and she is served. */
afterEach(async () => {
  const found = await asAlice('GET', `${TASKS}/${task}`);
  assert.deepEqual([found.status, found.json.status], [200, 'pending']);
  const list = await asAlice('GET', TASKS);
  assert.deepEqual(
    list.json.tasks.map((one: { task_id: string }) => one.task_id),
    [task],
  );
  assert.equal((await front.store.find('alice', task))?.cancelRequestedAt, undefined);
  const { heldUpMs } = await front.victim.vitals();
  assert.ok(heldUpMs < 3_000, `the event loop was held up for ${Math.round(heldUpMs)} ms`);
});

describe('a hostile client has no key, and sends', () => {
  const refused = async (headers: readonly string[]): Promise<void> => {
    for (const [method, path, body] of [
      ['GET', TASKS, undefined],
      ['GET', `${TASKS}/${task}`, undefined],
      ['POST', SUBMIT, '{"broken'],
      ['POST', `${TASKS}/${task}/cancel`, undefined],
    ] as const) {
      const reply = await ask(front.port, method, path, headers, body);
      assert.deepEqual([reply.status, reply.json.code], [401, 'unauthenticated'], `${method} ${path} ${headers}`);
      assert.match(reply.head, /www-authenticate: Bearer/i);
    }
  };

  it('none, an empty one, another scheme, half a key, a key with something behind it: 401', async () => {
    const key = alice.slice('Bearer '.length);
    const cut = alice.slice(0, -1);
    for (const value of [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${key}`,
      key,
      cut,
      `${alice}x`,
      `${alice} x`,
      `Bearer ${alice}`,
    ]) {
      await refused([auth(value)]);
    }
    await refused([]);
  });

  it("two keys, the second of them Alice's; or hers in other headers, the path or a cookie: 401", async () => {
    await refused([auth('Bearer guess'), auth(alice)]);
    await refused([auth(alice), auth(alice)]);
    const key = alice.slice('Bearer '.length);
    await refused([
      `X-API-Key: ${key}`,
      `X-Authorization: ${alice}`,
      `Proxy-Authorization: ${alice}`,
      `Cookie: key=${key}`,
    ]);
    const reply = await ask(front.port, 'GET', `${TASKS}?api_key=${key}&authorization=${encodeURIComponent(alice)}`);
    assert.equal(reply.status, 401);
  });

  it('a key that was revoked, has expired, or never was: the same answer to each', async () => {
    const expired = await front.key('alice', ['read'], 1_000);
    const revoked = await front.key('alice');
    const page = await front.store.keys.list(undefined, 100);
    const last = page.filter(({ name, expiresAt }) => name === 'alice' && expiresAt === undefined).at(-1);
    await front.store.keys.revoke(last?.id ?? '', { actor: 'test', requestId: 'test' });
    await sleep(1_100);
    const never = `Bearer zkr_${randomBytes(32).toString('base64url')}`;
    const replies = [];
    for (const key of [expired, revoked, never]) replies.push(await ask(front.port, 'GET', TASKS, [auth(key)]));
    const said = replies.map(({ status, json }) => [status, json.code, json.error]);
    assert.equal(said[0]?.[0], 401);
    assert.deepEqual(said[1], said[0]);
    assert.deepEqual(said[2], said[0]);
  });

  it("a true key of scope read, for what it may not: 403, and nothing happens to its owner's tasks", async () => {
    const reader = await front.key('alice', ['read']);
    for (const path of [SUBMIT, `${TASKS}/${task}/cancel`, `${TASKS}/${task}/resubmit`]) {
      const reply = await ask(front.port, 'POST', path, [auth(reader)], path === SUBMIT ? BODY : undefined);
      assert.deepEqual([reply.status, reply.json.code], [403, 'forbidden'], path);
    }
  });
});

describe("a hostile client has a key of its own, and is after another's task", () => {
  it('to read, to wait for, to cancel or to repeat it, in any spelling of its id: 404 like one that never was', async () => {
    const never = await asMallory('GET', `${TASKS}/${randomUUID()}`);
    for (const id of [task, task.toUpperCase()]) {
      for (const [method, path] of [
        ['GET', `${TASKS}/${id}`],
        ['GET', `${TASKS}/${id}?wait=1s`],
        ['POST', `${TASKS}/${id}/cancel`],
        ['POST', `${TASKS}/${id}/resubmit`],
      ] as const) {
        const begun = performance.now();
        const reply = await asMallory(method, path);
        assert.deepEqual([reply.status, reply.json.code], [404, 'task_not_found'], path);
        if (method === 'GET') assert.equal(reply.json.error, never.json.error);
        assert.ok(performance.now() - begun < 2_000, 'it does not wait for what is not its own');
      }
    }
    for (const id of [
      `{${task}}`,
      `${task}%00`,
      `${task}'--`,
      `${task.slice(0, -1)}%`,
      `..%2f${task}`,
      `${task}/../${task}`,
    ]) {
      const reply = await asMallory('GET', `${TASKS}/${id}`);
      assert.ok([400, 404].includes(reply.status), `${id}: ${reply.status}`);
      assert.equal(reply.json.success, false);
    }
  });

  it("to find it in the list, by others' cursors, made-up ones, and SQL: only its own are shown", async () => {
    const cursor = (text: string): string => Buffer.from(text).toString('base64url');
    for (const query of [
      '',
      '?limit=100',
      '?status=pending',
      `?cursor=${cursor(`${Date.now() + 1e6} ffffffff-ffff-ffff-ffff-ffffffffffff`)}`,
      `?cursor=${cursor(`${Date.now()} ${task}`)}`,
      `?cursor=${cursor(`999999999999999 ${task}`)}`,
    ]) {
      const reply = await asMallory('GET', `${TASKS}${query}`);
      if (reply.status === 200) assert.deepEqual(reply.json.tasks, [], query);
      else assert.equal(reply.json.code, 'invalid_request', `${query} ${JSON.stringify(reply.json)}`);
    }
    for (const query of [
      '?owner=alice',
      '?status=pending&status=failed',
      "?status=pending'%20OR%20'1'='1",
      '?limit=1000000',
      '?limit=-1',
      `?cursor=${cursor(`1 ${task}' OR 1=1`)}`,
      `?cursor=${'A'.repeat(5_000)}`,
    ]) {
      const reply = await asMallory('GET', `${TASKS}${query}`);
      assert.deepEqual([reply.status, reply.json.code], [400, 'invalid_request'], query);
    }
  });

  it('by sending the very same request, with the very same idempotency key: it is a task of its own', async () => {
    const key = 'Idempotency-Key: alices-key';
    const first = await ask(front.port, 'POST', SUBMIT, [auth(alice), key], BODY, HONEST_ADDRESS);
    assert.deepEqual([first.status, first.json.task_id], [200, task]);
    const same = await asMallory('POST', SUBMIT, [key], BODY);
    assert.equal(same.status, 202);
    assert.match(same.head, /x-cache: MISS/i);
    assert.notEqual(same.json.task_id, task);
    const other = await asMallory('POST', SUBMIT, [key], { ...BODY, leaf_index: 0 });
    assert.deepEqual([other.status, other.json.code], [409, 'idempotency_conflict']);
    for (const value of ['', ' ', 'k'.repeat(5_000), 'a\u00e9', 'a\tb']) {
      const reply = await asMallory('POST', SUBMIT, [`Idempotency-Key: ${value}`], BODY);
      assert.deepEqual([reply.status, reply.json.code], [400, 'invalid_idempotency_key'], JSON.stringify(value));
    }
  });
});

describe('a hostile client writes headers', () => {
  it('that claim another address, method, path, host or owner: none counts', async () => {
    const lies = [
      'X-Forwarded-For: 127.0.0.1',
      'X-Real-IP: 127.0.0.1',
      'Forwarded: for=127.0.0.1;host=admin',
      'X-Forwarded-Host: evil.example',
      'X-HTTP-Method-Override: DELETE',
      'X-Method-Override: DELETE',
      `X-Original-URL: ${TASKS}/${task}/cancel`,
      `X-Rewrite-URL: ${TASKS}/${task}/cancel`,
      'X-User: alice',
      'X-Owner: alice',
      'Connection: Authorization, X-Request-ID',
    ];
    assert.equal((await ask(front.port, 'GET', TASKS, lies)).status, 401);
    const reply = await asMallory('GET', `${TASKS}/${task}`, lies);
    assert.deepEqual([reply.status, reply.json.code], [404, 'task_not_found']);
    assert.doesNotMatch(reply.head, /evil/);
  });

  it('X-Request-ID that is long, holds line ends, or markup: an id of ours is answered, and no header is added', async () => {
    for (const value of ['x'.repeat(10_000), 'a%0d%0aSet-Cookie: x=1', '<script>', 'a\tb', '"; DROP', '../../etc']) {
      const reply = await asMallory('GET', `${TASKS}/${task}`, [`X-Request-ID: ${value}`]);
      assert.match(reply.json.request_id, /^[0-9a-f-]{36}$/, value.slice(0, 30));
      assert.doesNotMatch(reply.head, /set-cookie|script/i);
    }
    for (const value of ['a\rSet-Cookie: x=1', 'a\u0000b', 'a\r\n folded']) {
      const [reply] = repliesIn(await exchange(front.port, [requestText('GET', '/livez', [`X-Request-ID: ${value}`])]));
      assert.equal(reply?.status, 400, JSON.stringify(value));
      assert.doesNotMatch(reply?.head ?? '', /set-cookie/i);
    }
  });

  it('that hide a second request in a body (lengths and chunks that disagree): one answer, 400, and the connection ends', async () => {
    const hidden = requestText('GET', `${TASKS}/${task}`, [auth(mallory)]);
    const type = 'Content-Type: application/json';
    const head = (...lines: string[]): string =>
      [`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', auth(mallory), type, ...lines, '', ''].join('\r\n');
    for (const text of [
      `${head('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${hidden}`,
      `${head('Transfer-Encoding: chunked', 'Content-Length: 500')}0\r\n\r\n${hidden}`,
      `${head('Transfer-Encoding: xchunked')}0\r\n\r\n${hidden}`,
      `${head('Transfer-Encoding: chunked, identity')}0\r\n\r\n${hidden}`,
      `${head('Transfer-Encoding : chunked')}0\r\n\r\n${hidden}`,
      `${head('Content-Length: 0', 'Content-Length: 44')}${hidden}`,
      `${head('Content-Length: +0')}${hidden}`,
      `${head('Content-Length: 0x10')}${hidden}`,
      `${head('Content-Length: 1 0')}${hidden}`,
      `${head('Transfer-Encoding: chunked')}-1\r\n\r\n${hidden}`,
      `${head('Transfer-Encoding: chunked')}fffffffffffffffff\r\n\r\n${hidden}`,
      `${head('Transfer-Encoding: chunked')}0\n\n${hidden}`,
    ]) {
      const replies = repliesIn(await exchange(front.port, [text]));
      assert.deepEqual(
        replies.map(({ status, json }) => [status, json.code]),
        [[400, 'invalid_request']],
        text.slice(0, 250),
      );
    }
  });

  it('Origin of a page elsewhere, in spellings that look like the allowed one: no answer is readable there', async () => {
    for (const origin of [
      'https://evil.example',
      'https://app.example.evil.example',
      'https://evil-app.example',
      'http://app.example',
      'https://app.example:8443',
      'https://app.example/',
      'null',
      '*',
      'https://app.example, https://evil.example',
    ]) {
      const reply = await asMallory('GET', `${TASKS}/${task}`, [`Origin: ${origin}`]);
      assert.doesNotMatch(reply.head, /access-control-allow-origin/i, origin);
    }
    const allowed = await asMallory('GET', TASKS, ['Origin: https://app.example']);
    assert.match(allowed.head, /access-control-allow-origin: https:\/\/app\.example\r/i);
    assert.doesNotMatch(allowed.head, /access-control-allow-credentials/i);
  });
});

describe('a hostile client writes bodies', () => {
  const sent = (body: string) => asMallory('POST', SUBMIT, [], body);

  for (const [name, body, code] of [
    [
      '__proto__ that makes it an admin',
      '{"leaves":["1"],"leaf_index":0,"__proto__":{"owner":"alice"}}',
      'invalid_request',
    ],
    ['constructor.prototype', '{"leaves":["1"],"leaf_index":0,"constructor":{"prototype":{"x":1}}}', 'invalid_request'],
    ['an owner', '{"leaves":["1"],"leaf_index":0,"owner":"alice"}', 'invalid_request'],
    ['nesting 50,000 deep', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'invalid_request'],
    ['a leaf of 200,000 digits', `{"leaves":["${'9'.repeat(200_000)}"],"leaf_index":0}`, 'invalid_leaf'],
    ['a leaf that is a number of 200,000 digits', `{"leaves":[${'9'.repeat(200_000)}],"leaf_index":0}`, 'invalid_leaf'],
    ['an index of 200,000 digits', `{"leaves":["1"],"leaf_index":${'9'.repeat(200_000)}}`, 'invalid_leaf_index'],
    ['digits of another script', '{"leaves":["\u0661\u0662"],"leaf_index":0}', 'invalid_leaf'],
    ['a leaf with a zero-width space', '{"leaves":["1\u200b"],"leaf_index":0}', 'invalid_leaf'],
    ['half a character', '{"leaves":["\\ud800"],"leaf_index":0}', 'invalid_leaf'],
    ['100,000 spaces and no JSON', ' '.repeat(100_000), 'invalid_json'],
  ] as const) {
    it(`with ${name}: ${code}, soon, and nothing is stored`, async () => {
      const before = (await front.store.list('mallory', { limit: 100 })).length;
      const begun = performance.now();
      const reply = await sent(body);
      assert.deepEqual([reply.status, reply.json.code], [400, code], JSON.stringify(reply.json).slice(0, 300));
      assert.ok(performance.now() - begun < 3_000);
      assert.equal((await front.store.list('mallory', { limit: 100 })).length, before);
      assert.equal(({} as { owner?: unknown }).owner, undefined);
    });
  }

  it('without end, in chunks: body_too_large, and the connection ends when eight times the limit has come', async () => {
    const head = [`POST ${SUBMIT} HTTP/1.1`, 'Host: 127.0.0.1', auth(mallory), 'Content-Type: application/json'];
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    const chunks = Array.from({ length: 200 }, () => [chunk, 2]).flat();
    const text = await exchange(front.port, [[...head, 'Transfer-Encoding: chunked', '', ''].join('\r\n'), ...chunks]);
    const [reply] = repliesIn(text);
    assert.deepEqual([reply?.status, reply?.json.code], [413, 'body_too_large']);
  });
});
