import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { addressKey, sha256Hex, ZkraftError } from '../../src/common/index.ts';
import type { GatewayOptions } from '../../src/gateway/index.ts';
import { addressMatcher, TokenBuckets } from '../../src/gateway/rate-limit.ts';
import { get, submit, type TestGateway, testGateway } from './support.ts';

const BODY = { leaves: ['1', '2', '3'], leaf_index: 1 };
const KEYS: GatewayOptions['authentication'] = {
  mode: 'keys',
  keys: [
    { name: 'alice', sha256: sha256Hex('alice-key') },
    { name: 'bob', sha256: sha256Hex('bob-key') },
  ],
};
const alice = { authorization: 'Bearer alice-key' };
const bob = { authorization: 'Bearer bob-key' };

async function withGateway(options: Partial<GatewayOptions>, use: (part: TestGateway) => Promise<void>): Promise<void> {
  const part = await testGateway(options);
  try {
    await use(part);
  } finally {
    await part.gateway.close();
  }
}

const refusedWith = (code: string, names: RegExp) => (thrown: unknown) =>
  thrown instanceof ZkraftError && thrown.code === code && names.test(thrown.message);

describe('binding', () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'gateway.example', '', '127.0.0.1.example', '::ffff:127.0.0.1']) {
    test(`"${host}" without authentication refuses to start and says what to set`, async () => {
      await assert.rejects(testGateway({ host }), refusedWith('bind_unauthenticated', /auth\.mode.*server\.host/));
    });
  }

  test('0.0.0.0 with keys starts', () =>
    withGateway({ host: '0.0.0.0', authentication: KEYS }, async ({ gateway }) => {
      assert.equal((await get(gateway.url, '/livez')).status, 200);
    }));

  test('a port that is taken is named, with the setting', () =>
    withGateway({}, async ({ gateway }) => {
      const { port } = gateway;
      await assert.rejects(
        testGateway({ port }),
        refusedWith('port_in_use', new RegExp(`127\\.0\\.0\\.1:${port}.*server\\.port`)),
      );
    }));

  test('an address of another machine is told as such', async () => {
    await assert.rejects(
      testGateway({ host: '192.0.2.1', authentication: KEYS }),
      refusedWith('config_invalid', /192\.0\.2\.1/),
    );
  });
});

describe('API keys', () => {
  test('no key, a wrong one, another scheme and two headers are 401 before the body is read', () =>
    withGateway({ authentication: KEYS }, async ({ gateway, tasks }) => {
      for (const headers of [
        {},
        { authorization: 'Bearer wrong' },
        { authorization: 'Bearer ' },
        { authorization: 'Basic YWxpY2Uta2V5' },
        { authorization: `Bearer ${sha256Hex('alice-key')}` },
        { authorization: 'Bearer alice-key, Bearer alice-key' },
      ] as Record<string, string>[]) {
        const answer = await submit(gateway.url, '{bad', headers);
        assert.deepEqual([answer.status, answer.json.code], [401, 'unauthenticated']);
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
      }
      assert.equal(tasks.rows.size, 0);
    }));

  test('owners see only their own tasks, and the same request of another is another task', () =>
    withGateway({ authentication: KEYS }, async ({ gateway }) => {
      const first = await submit(gateway.url, BODY, alice);
      const path = `/api/v1/tasks/${first.json.task_id}`;
      assert.equal((await get(gateway.url, path, alice)).status, 200);
      const stranger = await get(gateway.url, path, bob);
      assert.deepEqual([stranger.status, stranger.json.code], [404, 'task_not_found']);
      const second = await submit(gateway.url, BODY, bob);
      assert.equal(second.status, 202);
      assert.notEqual(second.json.task_id, first.json.task_id);
    }));

  test('health, life, metrics and the description of the interface are open', () =>
    withGateway({ authentication: KEYS }, async ({ gateway }) => {
      for (const path of ['/livez', '/health', '/ready', '/openapi.json', '/']) {
        assert.equal((await get(gateway.url, path)).status, 200, path);
      }
      assert.equal((await get(gateway.url, '/api/v1/circuits')).status, 401);
    }));

  test('with keys any Host is answered', () =>
    withGateway({ authentication: KEYS }, async ({ gateway }) => {
      assert.equal((await get(gateway.url, '/livez', { host: 'zkraft.example' })).status, 200);
    }));
});

describe('rate limit', () => {
  const rateLimit = { enabled: true, requestsPerSecond: 5, burst: 4 };
  const many = (url: string, count: number, headers: (i: number) => Record<string, string> = () => ({})) =>
    Promise.all(Array.from({ length: count }, (_, i) => get(url, '/api/v1/circuits', headers(i))));
  const passed = (answers: readonly { status: number }[]): number =>
    answers.filter(({ status }) => status === 200).length;
  /** A burst, and what the rate allows in the time that this machine took to ask. */
  const mostSince = (startedMs: number): number =>
    rateLimit.burst + Math.ceil(((performance.now() - startedMs) / 1000) * rateLimit.requestsPerSecond);
  const keepsTo = async (ask: () => Promise<readonly { status: number }[]>): Promise<void> => {
    const startedMs = performance.now();
    const count = passed(await ask());
    assert.ok(count <= mostSince(startedMs), `${count} passed`);
  };

  test('a burst passes, then requests at the rate; what is refused says when to come again', () =>
    withGateway({ rateLimit }, async ({ gateway }) => {
      const startedMs = performance.now();
      const answers = await many(gateway.url, 12);
      const first = passed(answers);
      assert.ok(first >= rateLimit.burst && first <= mostSince(startedMs), `${first} passed`);
      const refused = answers.find(({ status }) => status === 429);
      assert.equal(refused?.json.code, 'rate_limited');
      assert.equal(refused?.headers.get('retry-after'), '1');
      await sleep(450);
      const later = passed(await many(gateway.url, 6));
      assert.ok(later >= 2 && first + later <= mostSince(startedMs), `${later} passed later`);
    }));

  test('an address that the client claims in a header does not count', () =>
    withGateway({ rateLimit }, async ({ gateway }) => {
      await keepsTo(() =>
        many(gateway.url, 12, (i) => ({
          'x-forwarded-for': `198.51.100.${i}`,
          'x-real-ip': `198.51.100.${i}`,
          forwarded: `for=198.51.100.${i}`,
        })),
      );
    }));

  test('behind a proxy that is trusted by address, clients are told apart by what the proxy says', () =>
    withGateway({ rateLimit, trustProxy: ['127.0.0.1'] }, async ({ gateway }) => {
      const apart = await many(gateway.url, 12, (i) => ({ 'x-forwarded-for': `198.51.100.${i}` }));
      assert.equal(passed(apart), 12);
      // The proxy appends what it saw; what the client wrote before it is no address of the client.
      await keepsTo(() => many(gateway.url, 12, (i) => ({ 'x-forwarded-for': `203.0.113.${i}, 198.51.100.77` })));
    }));

  test('a proxy elsewhere is not trusted', () =>
    withGateway({ rateLimit, trustProxy: ['10.0.0.0/8'] }, async ({ gateway }) => {
      await keepsTo(() => many(gateway.url, 12, (i) => ({ 'x-forwarded-for': `198.51.100.${i}` })));
    }));

  test('a key has a limit of its own, and guessing keys is limited by address', () =>
    withGateway({ rateLimit, authentication: KEYS }, async ({ gateway }) => {
      await keepsTo(() => many(gateway.url, 12, () => alice));
      assert.equal(passed(await many(gateway.url, 4, () => bob)), 4);
      const startedMs = performance.now();
      const guesses = await many(gateway.url, 12, (i) => ({ authorization: `Bearer guess-${i}` }));
      const heard = guesses.filter(({ status }) => status === 401).length;
      assert.ok(heard <= mostSince(startedMs), `${heard} were told that they are wrong`);
      assert.equal(guesses.filter(({ status }) => status === 429).length, 12 - heard);
    }));

  test('the whitelist is not limited, nor are probes', () =>
    withGateway({ rateLimit: { ...rateLimit, whitelist: ['127.0.0.0/8'] } }, async ({ gateway }) => {
      assert.equal(passed(await many(gateway.url, 30)), 30);
    }));

  test('probes are not limited', () =>
    withGateway({ rateLimit }, async ({ gateway }) => {
      const answers = await Promise.all(Array.from({ length: 30 }, () => get(gateway.url, '/livez')));
      assert.equal(passed(answers), 30);
    }));

  test('settings that name no address refuse to start', async () => {
    await assert.rejects(
      testGateway({ rateLimit: { whitelist: ['10.0.0.0/33'] } }),
      refusedWith('config_invalid', /rate_limit\.whitelist\[0\]/),
    );
    await assert.rejects(
      testGateway({ trustProxy: ['the proxy'] }),
      refusedWith('config_invalid', /server\.trust_proxy/),
    );
  });

  test('a bucket gives its burst at once, then the rate, and never more than its burst', () => {
    const buckets = new TokenBuckets({ requestsPerSecond: 10, burst: 3, clientsMax: 2 });
    const takeAll = (nowMs: number): number => {
      let taken = 0;
      while (buckets.take('a', nowMs) === 0) taken += 1;
      return taken;
    };
    assert.equal(takeAll(0), 3);
    assert.equal(buckets.take('a', 50), 50);
    assert.equal(takeAll(250), 2);
    assert.equal(takeAll(1e9), 3);
    buckets.take('b', 1e9);
    buckets.take('c', 1e9);
    assert.equal(buckets.size, 2, 'the table is bounded');
  });

  test('IPv6 counts by /64, IPv4 in IPv6 as IPv4', () => {
    assert.equal(addressKey('2001:db8:0:1::1'), addressKey('2001:db8:0:1:ffff:ffff:ffff:ffff'));
    assert.notEqual(addressKey('2001:db8:0:1::1'), addressKey('2001:db8:0:2::1'));
    assert.equal(addressKey('::1'), addressKey('0:0:0:0:0:0:0:2'));
    assert.equal(addressKey('::ffff:192.0.2.7'), '192.0.2.7');
    assert.equal(addressKey('x'.repeat(1_000)), addressKey('y'), 'what is no address is one client');
    assert.equal(addressMatcher(['192.0.2.0/24'], 'x')('::ffff:192.0.2.7'), true);
    assert.equal(addressMatcher(['2001:db8::/32'], 'x')('192.0.2.7'), false);
  });
});

describe('CORS', () => {
  const origin = 'https://app.example';
  const preflight = (url: string, from: string) =>
    fetch(`${url}/api/v1/tasks/merkle`, {
      method: 'OPTIONS',
      headers: {
        origin: from,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });

  test('is off by default: no header, and a preflight is refused', () =>
    withGateway({}, async ({ gateway }) => {
      const answer = await submit(gateway.url, BODY, { origin });
      assert.equal(answer.headers.get('access-control-allow-origin'), null);
      assert.equal((await preflight(gateway.url, origin)).status, 405);
    }));

  test('an origin that is allowed gets its headers, also on a refusal; another gets none', () =>
    withGateway({ cors: { enabled: true, allowedOrigins: [origin] }, authentication: KEYS }, async ({ gateway }) => {
      const yes = await preflight(gateway.url, origin);
      assert.equal(yes.status, 204);
      assert.equal(yes.headers.get('access-control-allow-origin'), origin);
      assert.match(yes.headers.get('access-control-allow-methods') ?? '', /POST/);
      assert.match(yes.headers.get('access-control-allow-headers') ?? '', /Authorization/);
      const refusal = await submit(gateway.url, BODY, { origin });
      assert.deepEqual([refusal.status, refusal.headers.get('access-control-allow-origin')], [401, origin]);
      for (const answer of [
        await preflight(gateway.url, 'https://evil.example'),
        await submit(gateway.url, BODY, { ...alice, origin: 'https://evil.example' }),
      ]) {
        assert.equal(answer.headers.get('access-control-allow-origin'), null);
      }
    }));
});
