/**
 * A worker that sends too much: calls, registrations, streams, messages, connections, garbage. Meanwhile an honest
 * worker is served within seconds, and the coordinator neither grows, nor stalls, nor dies.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, type HonestWorker, newKey, startCluster } from './cluster.ts';
import { bears as clusterBears, flood, madeUp } from './pressure.ts';

let cluster: Cluster;
let honest: HonestWorker;
before(async () => {
  cluster = await startCluster();
  honest = await cluster.honest('honest');
});
after(async () => {
  honest?.stop();
  await cluster?.close();
});

const bears = (attack: () => Promise<void>) => clusterBears(cluster, honest, attack);

describe('a hostile worker floods the coordinator with', () => {
  it('2,000 heartbeats, starts, failures and completions of tasks that there are not: each is answered', async () => {
    const flooder = cluster.worker('flooder', newKey());
    await flooder.register();
    const { proof, signals } = cluster.proofs.login;
    await bears(async () => {
      const answers = await flood(2_000, async (n) => {
        const lease = madeUp(n, 'flooder');
        if (n % 4 === 0) return await flooder.heartbeat();
        if (n % 4 === 1) return await flooder.start(lease);
        if (n % 4 === 2) return await flooder.fail(lease, 'wrong_path');
        return await flooder.complete(lease, proof, signals);
      });
      assert.deepEqual(answers, { ok: 500, stale_lease: 1_500 });
    });
    flooder.vanish();
  });

  it('heartbeats that name 1,000 leases each, and that drain and do not drain in turn', async () => {
    const flooder = cluster.worker('drainer', newKey());
    await flooder.register();
    const many = Array.from({ length: 1_000 }, (_, n) => madeUp(n, 'drainer'));
    await bears(async () => {
      assert.deepEqual(await flood(40, async () => assert.equal((await flooder.heartbeat(many)).drop.length, 1_000)), {
        ok: 40,
      });
      assert.deepEqual(await flood(500, async (n) => await flooder.heartbeat([], n % 2 === 0)), { ok: 500 });
    });
    flooder.vanish();
  });

  it('500 registrations under as many names, none of which is heard of again: they are counted out', async () => {
    await bears(async () => {
      const guests = Array.from({ length: 8 }, (_, lane) => cluster.worker(`lane-${lane}`, newKey()));
      const answers = await flood(500, async (n) => await guests[n % 8]?.register({ workerId: `guest-${n}` }));
      assert.deepEqual(answers, { ok: 500 });
      for (const guest of guests) guest.vanish();
    });
    const workers = async () =>
      (JSON.parse((await cluster.http('/health')).text) as { workers: { total: number } }).workers;
    for (let tries = 0; (await workers()).total > 10; tries += 1) {
      assert.ok(tries < 100, `${(await workers()).total} workers are still there`);
      await sleep(200);
    }
  });

  it('500 task streams of one worker: one of them is open', async () => {
    const flooder = await cluster.worker('streamer', newKey()).join(1);
    await bears(async () => {
      const streams = Array.from({ length: 500 }, () => flooder.secondStream());
      const ended = { count: 0 };
      for (const stream of streams) void stream.ended.then(() => ended.count++);
      for (let tries = 0; ended.count < 499; tries += 1) {
        assert.ok(tries < 200, `only ${ended.count} ended`);
        await sleep(50);
      }
      assert.equal(ended.count, 499);
      flooder.draining = true;
      await flooder.heartbeat([], true);
      for (const stream of streams) stream.cancel();
    });
    flooder.vanish();
  });

  it('200 downloads, 64 at once: eight go on, and the others are told to come later', async () => {
    const flooder = cluster.worker('downloader', newKey());
    await flooder.register();
    const digest = Buffer.from(cluster.zkeyDigest, 'hex');
    await bears(async () => {
      const answers = await flood(200, async () => await flooder.fetch(digest));
      assert.deepEqual(Object.keys(answers).sort(), ['ok', 'overloaded']);
      assert.ok((answers.ok ?? 0) >= 8, `${answers.ok} came`);
    });
    flooder.vanish();
  });

  it('messages of 1 to 8 MiB: body_too_large, and none is kept', async () => {
    const flooder = cluster.worker('large', newKey());
    await flooder.register();
    await bears(async () => {
      for (const mib of [2, 4, 8]) {
        await assert.rejects(flooder.complete(madeUp(1, 'large'), new Uint8Array(mib * 2 ** 20), []), {
          code: 'body_too_large',
        });
      }
      const lease = { ...madeUp(1, 'large'), taskId: 'x'.repeat(900_000) };
      await assert.rejects(flooder.start(lease), { code: 'invalid_request' });
    });
    flooder.vanish();
  });
});

describe('a hostile worker sends to the port', () => {
  const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const frame = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const SETTINGS = frame(4, 0, 0, new Uint8Array());
  const garbage: [string, readonly Uint8Array[]][] = [
    ['bytes of no meaning', [Buffer.alloc(65_536, 7)]],
    ['an HTTP/1.1 request', [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]],
    ['the beginning of TLS', [Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])]],
    [
      'a frame that says it has 16 MB',
      [Buffer.from(PREFACE), SETTINGS, Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])],
    ],
    ['headers that are no headers', [Buffer.from(PREFACE), SETTINGS, frame(1, 4, 1, Buffer.alloc(200, 0xff))]],
    [
      'streams opened and reset, 2,000 times',
      [
        Buffer.from(PREFACE),
        SETTINGS,
        ...Array.from({ length: 2_000 }, (_, n) =>
          Buffer.concat([
            frame(1, 4, 2 * n + 1, Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x78])),
            frame(3, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8])),
          ]),
        ),
      ],
    ],
    [
      '10,000 settings and pings',
      [
        Buffer.from(PREFACE),
        ...Array.from({ length: 10_000 }, (_, n) => (n % 2 === 0 ? SETTINGS : frame(6, 0, 0, Buffer.alloc(8)))),
      ],
    ],
  ];

  for (const [name, pieces] of garbage) {
    it(`${name}, on 20 connections: nobody else notices`, async () => {
      await bears(async () => {
        const sockets = Array.from({ length: 20 }, () => {
          const socket = connect(cluster.victim.ports.grpc ?? 0, '127.0.0.1');
          socket.on('error', () => {});
          socket.on('data', () => {});
          for (const piece of pieces) socket.write(piece);
          return socket;
        });
        await sleep(500);
        for (const socket of sockets) socket.destroy();
      });
    });
  }

  it('nothing, on 500 connections: a worker that comes after them is served', async () => {
    await bears(async () => {
      const sockets = Array.from({ length: 500 }, () => connect(cluster.victim.ports.grpc ?? 0, '127.0.0.1'));
      for (const socket of sockets) socket.on('error', () => {});
      await sleep(300);
      const late = cluster.worker('late', newKey());
      await late.register();
      await late.heartbeat();
      late.vanish();
      for (const socket of sockets) socket.destroy();
    });
  });
});
