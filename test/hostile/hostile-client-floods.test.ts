/**
 * A client that asks too much: thousands of requests, connections that say nothing or little, waits without end. What
 * is too much is refused by its code; another client, at another address, is served within seconds meanwhile.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bearsAttack } from './attack.ts';
import { ask, dial, exchange, type Front, HONEST_ADDRESS, HOSTILE_ADDRESS, requestText, startFront } from './front.ts';

const TASKS = '/api/v1/tasks';
const SUBMIT = `${TASKS}/merkle`;
const READ_MS = 2_000;
const WRITE_MS = 2_000;
const RATE = 50;
const BURST = 300;
const CONNECTIONS_MAX = 1_024;
const WAITS_MAX = 100;
/** Requests of one connection in one go. */
const AT_ONCE = 50;
const ENDURANCE = { servedMs: 8_000, growthBytes: 150 * 1024 * 1024, pauseMs: 150 };

let front: Front;
let alice: string;
let mallory: string;
let leaf = 100;

before(async () => {
  const rateLimit = { enabled: true, requestsPerSecond: RATE, burst: BURST, whitelist: [] };
  front = await startFront({
    readTimeoutMs: READ_MS,
    writeTimeoutMs: WRITE_MS,
    longPollMaxMs: 3_000,
    bodyLimitBytes: 256 * 1024,
    rateLimit,
  });
  alice = await front.key('alice');
  mallory = await front.key('mallory');
});
after(() => front?.close());

const submit = (key: string, address: string) => {
  leaf += 1;
  const body = { leaves: ['1', '2', String(leaf)], leaf_index: 2 };
  return ask(front.port, 'POST', SUBMIT, [`Authorization: ${key}`], body, address);
};

/** The attacker may send as many again as its rate allows at once. */
const refilled = () => sleep((BURST / RATE) * 1_000);

/** The attack, with an honest client submitting and reading all along. */
const bears = (attack: () => Promise<void>): Promise<void> =>
  bearsAttack(
    front.victim,
    ENDURANCE,
    async () => {
      const submitted = await submit(alice, HONEST_ADDRESS);
      assert.equal(submitted.status, 202, submitted.head);
      const path = `${TASKS}/${submitted.json.task_id}`;
      const read = await ask(front.port, 'GET', path, [`Authorization: ${alice}`], undefined, HONEST_ADDRESS);
      assert.deepEqual([read.status, read.json.status], [200, 'pending']);
    },
    attack,
  );

/** `count` requests over eight connections, fifty at a time on each; each status that came, and how long it took. */
async function flood(count: number, key: (n: number) => string): Promise<{ statuses: number[]; ms: number }> {
  const begun = performance.now();
  const texts: string[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const first = next;
      next += AT_ONCE;
      const requests = Array.from({ length: AT_ONCE }, (_, n) => {
        const end = n === AT_ONCE - 1 ? 'Connection: close\r\n' : '';
        return `GET ${TASKS}?limit=1 HTTP/1.1\r\nHost: x\r\nAuthorization: ${key(first + n)}\r\n${end}\r\n`;
      });
      texts.push(await exchange(front.port, [requests.join('')], HOSTILE_ADDRESS, 60_000));
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  const replies = texts.flatMap((text) => text.split(/(?=HTTP\/1\.1 \d{3} )/));
  for (const reply of replies.filter((text) => text.startsWith('HTTP/1.1 429'))) {
    assert.ok(/retry-after: \d+/i.test(reply) && reply.includes('"rate_limited"'), reply.slice(0, 300));
  }
  return { statuses: replies.map((reply) => Number(reply.slice(9, 12))), ms: performance.now() - begun };
}

describe('a hostile client sends', () => {
  it('10,000 requests with its key: as many pass as the rate allows, the rest are 429', async () => {
    await bears(async () => {
      const { statuses, ms } = await flood(10_000, () => mallory);
      assert.equal(statuses.length, 10_000, 'each is answered');
      const passed = statuses.filter((status) => status === 200).length;
      assert.ok(passed >= BURST && passed <= BURST + (RATE * ms) / 1_000 + 1, `${passed} passed in ${ms} ms`);
      assert.equal(statuses.filter((status) => status === 429).length, 10_000 - passed);
    });
  });

  it('10,000 guesses of keys, each another: so few are looked at that guessing is hopeless', async () => {
    await bears(async () => {
      const { statuses, ms } = await flood(10_000, (n) => `Bearer zkr_${String(n).padStart(43, 'A')}`);
      assert.equal(statuses.length, 10_000);
      const looked = statuses.filter((status) => status === 401).length;
      // Requests that come together may all look before the first of them is counted.
      assert.ok(looked <= BURST + (RATE * ms) / 1_000 + 8 * AT_ONCE, `${looked} were looked at in ${ms} ms`);
      assert.equal(statuses.filter((status) => status === 429).length, 10_000 - looked);
    });
  });

  it('1,000 requests on each of 8 connections in one go: it is hung up on, and nobody waits for that', async () => {
    await bears(async () => {
      const one = `GET ${TASKS} HTTP/1.1\r\nHost: x\r\nAuthorization: ${mallory}\r\n\r\n`;
      const texts = await Promise.all(Array.from({ length: 8 }, () => exchange(front.port, [one.repeat(1_000)])));
      for (const text of texts) assert.ok([...text.matchAll(/HTTP\/1\.1 /g)].length <= 2 * 128, 'most go unanswered');
    });
  });

  it('150 waits on one task: 100 of them wait, the others are 429 at once, and others can wait', async () => {
    await refilled();
    const { json } = await submit(mallory, HOSTILE_ADDRESS);
    const path = `${TASKS}/${json.task_id}?wait=1h`;
    const statuses: number[] = [];
    await bears(async () => {
      const wait = () => ask(front.port, 'GET', path, [`Authorization: ${mallory}`]);
      const waiting = Array.from({ length: WAITS_MAX + 50 }, async () => statuses.push((await wait()).status));
      await sleep(1_000);
      const mine = await submit(alice, HONEST_ADDRESS);
      const own = `${TASKS}/${mine.json.task_id}?wait=1s`;
      const waited = await ask(front.port, 'GET', own, [`Authorization: ${alice}`], undefined, HONEST_ADDRESS);
      assert.equal(waited.status, 200);
      await Promise.all(waiting);
    });
    assert.equal(statuses.filter((status) => status === 200).length, WAITS_MAX);
    assert.equal(statuses.filter((status) => status === 429).length, 50);
  });
});

describe('a hostile client opens', () => {
  const open = async (count: number, say: string) => {
    const sockets = Array.from({ length: count }, () => dial(front.port, HOSTILE_ADDRESS));
    const texts = sockets.map(() => '');
    for (const [i, socket] of sockets.entries()) {
      socket.on('data', (chunk) => {
        texts[i] += String(chunk);
      });
      socket.once('connect', () => socket.write(say));
    }
    await sleep(1_000);
    return { sockets, texts, stillOpen: () => sockets.filter(({ closed, destroyed }) => !closed && !destroyed).length };
  };

  it('1,200 connections, and says nothing: half of all places is the most it gets, and not for long', async () => {
    await bears(async () => {
      const { sockets, stillOpen } = await open(1_200, '');
      for (let tries = 0; stillOpen() > CONNECTIONS_MAX / 2; tries += 1) {
        assert.ok(tries < 10, `${stillOpen()} are open`);
        await sleep(100);
      }
      const limit = performance.now() + READ_MS + 6_000;
      while (stillOpen() > 0 && performance.now() < limit) await sleep(100);
      assert.equal(stillOpen(), 0, 'all were closed in time');
      for (const socket of sockets) socket.destroy();
    });
  });

  for (const [name, beginning, more] of [
    ['headers that come a line a second', 'GET /livez HTTP/1.1\r\nHost: x\r\n', 'X-A: b\r\n'],
    [
      'a body that comes a byte a second',
      `POST ${SUBMIT} HTTP/1.1\r\nHost: x\r\nAuthorization: KEY\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
      ' ',
    ],
  ] as const) {
    it(`200 connections with ${name}: request_timeout, and the connection ends`, async () => {
      await bears(async () => {
        await refilled();
        const { sockets, texts, stillOpen } = await open(200, beginning.replace('KEY', mallory));
        const trickle = setInterval(() => {
          for (const socket of sockets) if (socket.writable) socket.write(more);
        }, 1_000);
        const limit = performance.now() + READ_MS + 8_000;
        while (stillOpen() > 0 && performance.now() < limit) await sleep(100);
        clearInterval(trickle);
        assert.equal(stillOpen(), 0, 'all were closed in time');
        const coded = texts.filter(
          (text) => text.startsWith('HTTP/1.1 408 ') && text.includes(`"request_timeout"`),
        ).length;
        assert.ok(coded >= 150, `${coded} were told why: ${texts[0]?.slice(0, 200)}`);
      });
    });
  }

  it('connections whose answers it never reads: they are dropped, and the answers with them', async () => {
    await refilled();
    const one = 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n';
    const size = Buffer.byteLength(await exchange(front.port, [requestText('GET', '/openapi.json')]));
    // Below what is cut off for asking too much at once, and more than the buffers of two sockets hold.
    const count = 120;
    await bears(async () => {
      const sockets = Array.from({ length: 2 }, () => dial(front.port, HOSTILE_ADDRESS));
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      for (const socket of sockets) {
        socket.pause();
        socket.write(one.repeat(count));
      }
      await sleep(WRITE_MS + 3_000);
      const received = sockets.map(async (socket) => {
        let bytes = 0;
        socket.on('data', (chunk) => {
          bytes += chunk.length;
        });
        const closed = once(socket, 'close');
        socket.resume();
        await closed;
        return bytes;
      });
      for (const bytes of await Promise.all(received)) {
        assert.ok(bytes > size && bytes < (count - 1) * size, `${bytes} bytes of ${count} times ${size}`);
      }
    });
  });
});
