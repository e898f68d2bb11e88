import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { sha256Hex, VERSION, ZkraftError } from '../../src/common/index.ts';
import type { GatewayOptions } from '../../src/gateway/index.ts';
import { get, memoryArtifacts, submit, type TestGateway, testGateway, VKEY_TEXT } from './support.ts';

const BODY = { leaves: ['1', '2', '3'], leaf_index: 1 };

async function withGateway(options: Partial<GatewayOptions>, use: (part: TestGateway) => Promise<void>): Promise<void> {
  const part = await testGateway(options);
  try {
    await use(part);
  } finally {
    await part.gateway.close();
  }
}

describe('health', () => {
  test('/health and /ready go bad with the database and good again; /livez does not care', () =>
    withGateway({}, async ({ gateway, tasks }) => {
      const statuses = async () => {
        await sleep(300);
        return await Promise.all(
          ['/livez', '/health', '/ready'].map(async (path) => (await get(gateway.url, path)).status),
        );
      };
      assert.deepEqual(await statuses(), [200, 200, 200]);
      tasks.failure = new ZkraftError('database_unavailable', 'PostgreSQL cannot be reached');
      assert.deepEqual(await statuses(), [200, 503, 503]);
      const { json, headers } = await get(gateway.url, '/health');
      assert.deepEqual(
        [json.success, json.code, json.status, json.checks],
        [false, 'database_unavailable', 'unavailable', { database: 'database_unavailable' }],
      );
      assert.ok(headers.get('retry-after'));
      tasks.failure = undefined;
      assert.deepEqual(await statuses(), [200, 200, 200]);
    }));

  test('a database that never answers is bad within a bound', () =>
    withGateway({ health: { ping: () => new Promise(() => {}) } }, async ({ gateway }) => {
      const begun = performance.now();
      assert.equal((await get(gateway.url, '/health')).status, 503);
      assert.ok(performance.now() - begun < 3_000);
    }));

  test('without any circuit it is healthy but not ready, and says what to do', () =>
    withGateway({ artifacts: memoryArtifacts([]) }, async ({ gateway }) => {
      assert.equal((await get(gateway.url, '/health')).status, 200);
      const { status, json } = await get(gateway.url, '/ready');
      assert.deepEqual([status, json.code], [503, 'circuit_unavailable']);
      assert.match(json.error, /zkraft setup/);
    }));

  test('/livez names the service and its version', () =>
    withGateway({}, async ({ gateway }) => {
      const { json } = await get(gateway.url, '/livez');
      assert.deepEqual([json.status, json.service, json.version], ['ok', 'gateway', VERSION]);
    }));
});

describe('circuits', () => {
  test('the list shows each with the trust in its key', () =>
    withGateway({}, async ({ gateway }) => {
      const { json } = await get(gateway.url, '/api/v1/circuits');
      assert.deepEqual(
        json.circuits.map((c: Record<string, unknown>) => [c.circuit_id, c.depth, c.trusted_setup]),
        [
          ['merkle-8', 8, 'single-party'],
          ['merkle-10', 10, 'single-party'],
        ],
      );
      const one = await get(gateway.url, '/api/v1/circuits/merkle-10');
      assert.deepEqual(one.json.circuit, json.circuits[1]);
      assert.equal(one.json.circuit.verification_key_url, '/api/v1/circuits/merkle-10/verification-key');
    }));

  test('the verification key is the pinned bytes, named by their digest, and cached by it', () =>
    withGateway({}, async ({ gateway }) => {
      const url = `${gateway.url}/api/v1/circuits/merkle-8/verification-key`;
      const response = await fetch(url);
      const bytes = new Uint8Array(await response.arrayBuffer());
      assert.equal(Buffer.from(bytes).toString('utf8'), VKEY_TEXT);
      assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
      assert.equal(response.headers.get('etag'), `"${sha256Hex(bytes)}"`);
      assert.equal(response.headers.get('x-trusted-setup'), 'single-party');
      const etag = response.headers.get('etag') ?? '';
      for (const tag of [etag, `"other", W/${etag}`, '*']) {
        const again = await fetch(url, { headers: { 'if-none-match': tag } });
        assert.deepEqual([again.status, await again.text()], [304, '']);
      }
      assert.equal((await fetch(url, { headers: { 'if-none-match': '"other"' } })).status, 200);
    }));
});

describe('every answer', () => {
  test('carries X-Request-ID: the one that came, if it is well-formed, else a new one', () =>
    withGateway({}, async ({ gateway }) => {
      for (const [sent, kept] of [
        ['abc-1_2.3', true],
        ['x'.repeat(64), true],
        ['x'.repeat(65), false],
        ['a b', false],
        ['a;b', false],
      ] as const) {
        for (const path of ['/livez', '/nothing', '/api/v1/tasks/42']) {
          const { headers, json } = await get(gateway.url, path, { 'x-request-id': sent });
          assert.equal(headers.get('x-request-id') === sent, kept, `${sent} at ${path}`);
          assert.ok(headers.get('x-request-id'));
          if (json.request_id) assert.equal(json.request_id, headers.get('x-request-id'));
        }
      }
    }));

  test('has the security headers', () =>
    withGateway({}, async ({ gateway }) => {
      for (const path of ['/livez', '/nothing', '/api/v1/circuits']) {
        const { headers } = await get(gateway.url, path);
        assert.equal(headers.get('x-content-type-options'), 'nosniff');
        assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/);
        assert.equal(headers.get('cache-control'), 'no-store');
      }
    }));
});

describe('the front page', () => {
  test('is JSON for programs', () =>
    withGateway({}, async ({ gateway }) => {
      const { json } = await get(gateway.url, '/');
      assert.deepEqual([json.service, json.version, json.openapi], ['zkraft gateway', VERSION, '/openapi.json']);
    }));

  test('is HTML for browsers, loads nothing from elsewhere, and its policy allows exactly its own script and style', () =>
    withGateway({}, async ({ gateway }) => {
      const response = await fetch(`${gateway.url}/`, {
        headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' },
      });
      const html = await response.text();
      const policy = response.headers.get('content-security-policy') ?? '';
      assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
      assert.doesNotMatch(policy, /unsafe/);
      for (const tag of ['script', 'style']) {
        const inline = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(html)?.[1] ?? '';
        const digest = createHash('sha256').update(inline).digest('base64');
        assert.ok(policy.includes(`${tag}-src 'sha256-${digest}'`), tag);
      }
      assert.doesNotMatch(html, / on\w+=|src=|https?:\/\/(?!127\.0\.0\.1)/);
      assert.ok(html.includes(`curl -sS ${gateway.url}/api/v1/tasks/merkle`));
    }));

  test('does not repeat a Host that is none', () =>
    withGateway({ trustProxy: ['127.0.0.1'] }, async ({ gateway }) => {
      const response = await fetch(`${gateway.url}/`, {
        headers: { accept: 'text/html', 'x-forwarded-host': '"><script>alert(1)</script>' },
      });
      assert.doesNotMatch(await response.text(), /alert/);
    }));
});

describe('metrics', () => {
  test('count by route, method and status class, and no client can make a series', () =>
    withGateway({}, async ({ gateway }) => {
      await submit(gateway.url, BODY);
      await submit(gateway.url, BODY);
      await submit(gateway.url, { leaves: [] });
      for (let i = 0; i < 5; i += 1) await get(gateway.url, `/nothing/${i}`);
      const text = await (await fetch(`${gateway.url}/metrics`)).text();
      assert.match(text, /gateway_submissions_total\{outcome="created"\} 1/);
      assert.match(text, /gateway_submissions_total\{outcome="repeated"\} 1/);
      assert.match(text, /gateway_submissions_total\{outcome="refused"\} 1/);
      assert.match(text, /gateway_http_requests_total\{route="none",method="GET",status="4xx"\} 5/);
      assert.match(
        text,
        /gateway_http_requests_total\{route="\/api\/v1\/tasks\/merkle",method="POST",status="2xx"\} 2/,
      );
      assert.match(text, /gateway_long_polls_open 0/);
      assert.match(text, /nodejs_eventloop_lag_seconds/);
      assert.match(text, new RegExp(`zkraft_build_info\\{service="gateway",version="${VERSION}"`));
    }));

  test('can be moved and switched off', async () => {
    await withGateway({ metrics: { enabled: true, path: '/internal/metrics' } }, async ({ gateway }) => {
      assert.equal((await fetch(`${gateway.url}/internal/metrics`)).status, 200);
    });
    await withGateway({ metrics: { enabled: false, path: '/metrics' } }, async ({ gateway }) => {
      assert.equal((await fetch(`${gateway.url}/metrics`)).status, 404);
    });
  });
});

test('the log has requests and codes, but no leaf, key, path or message', async () => {
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  const logger = pino({ level: 'trace' }, sink);
  const secret = '123456789123456789';
  const authentication = { mode: 'keys' as const, keys: [{ name: 'alice', sha256: sha256Hex('the-key') }] };
  await withGateway({ logger, authentication }, async ({ gateway }) => {
    const headers = { authorization: 'Bearer the-key', 'x-request-id': 'req-1' };
    await submit(gateway.url, { leaves: [secret, '2'], leaf_index: 0 }, headers);
    await submit(gateway.url, { leaves: [`0${secret}`], leaf_index: 0 }, headers);
    await submit(gateway.url, { leaves: [`0x${'f'.repeat(64)}`], leaf_index: 0, external_hash: secret }, headers);
    await get(gateway.url, `/api/v1/tasks/${secret}?wait=${secret}`, headers);
    await get(gateway.url, `/${secret}`, headers);
  });
  const log = lines.join('');
  assert.match(log, /"request_id":"req-1".*"task submitted"/);
  assert.match(log, /"code":"invalid_leaf"/);
  assert.doesNotMatch(log, new RegExp(`${secret}|the-key|ffffffff`));
});
