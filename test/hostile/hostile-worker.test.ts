/**
 * A worker that has the workers' token and means harm: it hands in what is no proof, speaks in the name of others, and
 * lies about tasks. Whatever it tries, no task ends wrongly, no honest worker loses anything, and all is proved by others.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Lease, RemoteError } from '../../src/common/rpc/index.ts';
import type { TaskRow } from '../../src/store/index.ts';
import type { FakeWorker } from '../coordinator/fake-worker.ts';
import { BAD_PROOFS, mauled } from './bad-proofs.ts';
import { type Cluster, type HonestWorker, newKey, startCluster } from './cluster.ts';

const ATTEMPTS_MAX = 4;
const coded = (code: string) => (error: unknown) => {
  assert.equal((error as RemoteError).code, code, (error as Error).message);
  return true;
};
const NOBODYS: Omit<Lease, 'workerId'> = {
  taskId: '00000000-0000-4000-8000-000000000000',
  attempt: 1,
  epoch: 1n,
};

let cluster: Cluster;
before(async () => {
  cluster = await startCluster({ maxAttempts: ATTEMPTS_MAX });
});
after(() => cluster?.close());

/** Everything that a worker can say about a lease, each with its answer. */
async function everyReport(worker: FakeWorker, lease: Lease, code: string): Promise<void> {
  const { proof, signals } = cluster.proofs.login;
  await assert.rejects(worker.acknowledge(lease), coded(code));
  await assert.rejects(worker.start(lease), coded(code));
  await assert.rejects(worker.complete(lease, proof, signals), coded(code));
  await assert.rejects(worker.complete(lease, new Uint8Array(256), signals), coded(code));
  await assert.rejects(worker.fail(lease, 'wrong_path'), coded(code));
  await assert.rejects(worker.fail(lease, 'internal'), coded(code));
}

const storyOf = async ({ id }: TaskRow) => {
  const story = await cluster.store.taskStory(id);
  return (story?.events ?? []).map(({ kind, attempt, workerId, code }) => [kind, attempt, workerId, code]);
};

describe('a hostile worker hands in', () => {
  let honest: HonestWorker;
  before(async () => {
    honest = await cluster.honest('honest-after-lies');
  });
  after(() => honest?.stop());

  for (const [n, { name, make }] of BAD_PROOFS.entries()) {
    it(`${name}: proof_invalid, and the task is proved by another`, async () => {
      const { login: own, vote: other } = cluster.proofs;
      await honest.rest(true);
      const liar = await cluster.worker(`liar-${n}`, newKey()).join(1);
      const task = await cluster.submit();
      const { lease } = await liar.assignment();
      assert.equal(lease.taskId, task.id);
      // So that it is not given the task again before the honest one is back.
      liar.draining = true;
      await liar.heartbeat([], true);
      const { proof, signals } = make({ own, other });
      await assert.rejects(liar.complete(lease, proof, signals), coded('proof_invalid'));
      // The lease is gone with it: the true proof comes too late.
      await assert.rejects(liar.complete(lease, own.proof, own.signals), coded('stale_lease'));
      liar.vanish();
      const row = await cluster.row(task);
      assert.deepEqual([row.completedAt, row.proof], [undefined, undefined]);
      await honest.rest(false);
      const ended = await cluster.ended(task);
      assert.deepEqual([ended.status, ended.workerId, ended.attempt], ['completed', 'honest-after-lies', 2]);
      assert.deepEqual(Buffer.from(ended.proof ?? []), Buffer.from(own.proof));
    });
  }

  it('lies under six names in turn: the task that it spoils goes to a worker that has proved something', async () => {
    const names = await Promise.all(
      Array.from({ length: 6 }, (_, n) => cluster.worker(`-many-${n}`, newKey()).join(4)),
    );
    const tasks = await Promise.all(Array.from({ length: 6 }, () => cluster.submit()));
    let answered = 0;
    const lying = setInterval(() => {
      for (const worker of names) {
        for (const { lease } of worker.assignments.splice(0)) {
          answered += 1;
          if (lease) worker.complete(lease, new Uint8Array(256), []).catch(() => {});
        }
      }
    }, 10);
    try {
      for (const task of tasks) {
        const row = await cluster.ended(task);
        assert.deepEqual([row.status, row.workerId], ['completed', 'honest-after-lies']);
        assert.ok(row.attempt <= 2, `${row.attempt} attempts`);
      }
    } finally {
      clearInterval(lying);
    }
    assert.ok(answered > 0, 'it lied');
    for (const worker of names) worker.vanish();
    assert.deepEqual(honest.refusals, []);
  });

  it('a true proof mauled into another one: it is as true, and counts once', async () => {
    await honest.rest(true);
    const worker = await cluster.worker('mauler', newKey()).join(1);
    const task = await cluster.submit();
    const { lease } = await worker.assignment();
    const { proof, signals } = mauled(cluster);
    await worker.complete(lease, proof, signals);
    const row = await cluster.ended(task);
    assert.deepEqual(Buffer.from(row.proof ?? []), Buffer.from(proof));
    // Answered as before while the log still knows the task, as stale once it has forgotten it.
    await worker.complete(lease, cluster.proofs.login.proof, signals).catch((error: unknown) => {
      assert.ok(coded('stale_lease')(error));
    });
    assert.deepEqual(Buffer.from((await cluster.row(task)).proof ?? []), Buffer.from(proof));
    worker.vanish();
  });

  it('three of them at once: it is quarantined, loses all that it holds, and cannot come back', async () => {
    const liar = await cluster.worker('liar-at-once', newKey()).join(8);
    const tasks = await Promise.all(Array.from({ length: 8 }, () => cluster.submit()));
    await liar.assignment(7);
    const leases = liar.assignments.map(({ lease }) => lease as Lease);
    const { signals } = cluster.proofs.login;
    const wrong = cluster.proofs.vote.proof;
    const answers = await Promise.allSettled(leases.map((lease) => liar.complete(lease, wrong, signals)));
    const codes = answers.map((answer) =>
      answer.status === 'rejected' ? (answer.reason as RemoteError).code : 'taken',
    );
    assert.equal(codes.filter((code) => code === 'proof_invalid').length, 3, String(codes));
    assert.equal(codes.filter((code) => code === 'stale_lease').length, 5, String(codes));
    await liar.until(() => liar.streamEnd !== undefined);
    assert.equal((liar.streamEnd as RemoteError).code, 'worker_quarantined');
    await assert.rejects(liar.heartbeat(), coded('worker_quarantined'));
    await assert.rejects(liar.register(), coded('worker_quarantined'));
    liar.vanish();
    await honest.rest(false);
    for (const task of tasks) assert.equal((await cluster.ended(task)).status, 'completed');
  });
});

describe('a hostile worker speaks for others', () => {
  let victim: FakeWorker;
  let task: TaskRow;
  let lease: Lease;
  let thief: FakeWorker;

  before(async () => {
    victim = await cluster.worker('victim', newKey()).join(1);
    task = await cluster.submit();
    ({ lease } = await victim.assignment());
    victim.held = [lease];
    await victim.acknowledge(lease);
    thief = await cluster.worker('thief', newKey()).join(1);
  });

  it('under the lease of another, which it knows to the last digit: stale_lease, as if there were none', async () => {
    await everyReport(thief, lease, 'stale_lease');
    await everyReport(cluster.worker('thief-without-key'), lease, 'stale_lease');
  });

  it('under that lease put in its own name, an older or a later epoch, or another attempt: stale_lease', async () => {
    for (const change of [{ workerId: 'thief' }, { epoch: lease.epoch - 1n }, { epoch: 2n ** 40n }, { attempt: 2 }]) {
      await everyReport(thief, { ...lease, ...change }, 'stale_lease');
    }
    await everyReport(thief, { ...NOBODYS, workerId: 'thief' }, 'stale_lease');
  });

  it('to be registered as a worker that lives: worker_id_taken, with another key and with none', async () => {
    for (const imposter of [cluster.worker('victim', newKey()), cluster.worker('victim')]) {
      await assert.rejects(imposter.register(), coded('worker_id_taken'));
      await assert.rejects(imposter.register({ heldLeases: [lease], slots: 256 }), coded('worker_id_taken'));
      imposter.sessionId = victim.sessionId;
      await assert.rejects(imposter.heartbeat([lease]), coded('worker_id_taken'));
      await assert.rejects(imposter.heartbeat([], true), coded('worker_id_taken'));
      await assert.rejects(imposter.fetch(Buffer.from(cluster.zkeyDigest, 'hex')), coded('worker_id_taken'));
      imposter.receive();
      await imposter.until(() => imposter.streamEnd !== undefined);
      assert.equal((imposter.streamEnd as RemoteError).code, 'worker_id_taken');
    }
    assert.equal(victim.streamEnd, undefined, 'the stream of the one that lives is open');
  });

  it('with keys that are none: invalid_request', async () => {
    for (const key of ['', 'short', 'Z'.repeat(64), 'a'.repeat(2_000)]) {
      await assert.rejects(cluster.worker('victim', key).heartbeat(), coded('invalid_request'));
    }
  });

  it('in its heartbeats, naming leases of another: invalid_request, and none is renewed', async () => {
    await assert.rejects(thief.heartbeat([lease]), coded('invalid_request'));
  });

  it('one of twenty that register under one new name at once: one is taken', async () => {
    const crowd = Array.from({ length: 20 }, () => cluster.worker('crowd', newKey()));
    const answers = await Promise.allSettled(crowd.map((one) => one.register()));
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const answer of answers) if (answer.status === 'rejected') coded('worker_id_taken')(answer.reason);
  });

  it('all of that, and then the other hands in its proof, at its first attempt', async () => {
    thief.vanish();
    assert.deepEqual(victim.cancellations, []);
    await victim.complete(lease, cluster.proofs.login.proof, cluster.proofs.login.signals);
    const row = await cluster.ended(task);
    assert.deepEqual([row.status, row.workerId, row.attempt], ['completed', 'victim', 1]);
    assert.deepEqual((await storyOf(task)).at(-1), ['completed', 1, 'victim', null]);
    victim.vanish();
  });
});

describe('a hostile worker lies about tasks', () => {
  let honest: HonestWorker;
  let hostile: FakeWorker;
  afterEach(async () => {
    // A stream that was cancelled is still served until its coordinator has heard of it: first it is given nothing more.
    await Promise.allSettled([honest?.rest(true), hostile?.heartbeat([], true)]);
    hostile?.vanish();
    honest?.stop();
  });

  /** The hostile one is alone when the task comes; then the honest one is there too. */
  async function hostileFirst(id: string, slots = 1): Promise<{ task: TaskRow; lease: Lease }> {
    // Of the lowest name, with most free slots, and with the circuit in its cache, as it says: it is always preferred.
    hostile = cluster.worker(`-${id}`, newKey());
    const cachedCircuits = [{ circuitId: 'merkle-3', manifestDigest: Buffer.from(cluster.circuitDigest, 'hex') }];
    await hostile.register({ slots, cachedCircuits });
    hostile.receive();
    const task = await cluster.submit();
    const { lease } = await hostile.assignment();
    await hostile.acknowledge(lease);
    honest = await cluster.honest(`honest-beside-${id}`, 1);
    return { task, lease };
  }

  for (const code of ['wrong_path', 'invalid_leaf', 'unsatisfied_constraint', 'attempts_exhausted', 'task_cancelled']) {
    it(`that nobody can prove one (${code}): it is looked at, found true, and proved by another`, async () => {
      const { task, lease } = await hostileFirst(`says-${code}`);
      assert.deepEqual(await hostile.fail(lease, code, 'believe me'), { willRetry: true });
      const row = await cluster.ended(task);
      assert.deepEqual([row.status, row.workerId, row.attempt], ['completed', honest.wire.id, 2]);
    });
  }

  it('by failing whatever it is given, at once: it gets no task twice', async () => {
    const { task, lease } = await hostileFirst('fails-all', 256);
    await hostile.fail(lease, 'prover_crashed', 'again');
    assert.equal((await cluster.ended(task)).attempt, 2);
    const more = await Promise.all(Array.from({ length: 12 }, () => cluster.submit()));
    let failed = 1;
    const failing = setInterval(() => {
      for (const { lease: next } of hostile.assignments.slice(failed)) {
        failed += 1;
        if (next !== undefined) hostile.fail(next, 'prover_crashed').catch(() => {});
      }
    }, 10);
    try {
      for (const one of more) {
        const row = await cluster.ended(one);
        assert.deepEqual([row.status, row.workerId], ['completed', honest.wire.id]);
        assert.ok(row.attempt <= 2, `${row.attempt} attempts`);
      }
    } finally {
      clearInterval(failing);
    }
    const given = hostile.assignments.map((one) => one.lease?.taskId);
    assert.equal(new Set(given).size, given.length);
  });

  it('by holding one for ever, alive and well: it is taken away in time, and given to another', async () => {
    const { task, lease } = await hostileFirst('holds-for-ever', 256);
    hostile.held = [lease];
    const beats = setInterval(() => void hostile.heartbeat(hostile.held).catch(() => {}), 200);
    try {
      await hostile.start(lease);
      const row = await cluster.ended(task);
      assert.deepEqual([row.status, row.workerId, row.attempt], ['completed', honest.wire.id, 2]);
      assert.deepEqual(await storyOf(task).then((story) => story[2]), [
        'retry_scheduled',
        1,
        hostile.id,
        'prover_timeout',
      ]);
      await hostile.until(() => hostile.cancellations.length > 0);
    } finally {
      clearInterval(beats);
    }
  });

  it('with a reason of 100,000 characters, control characters and half characters: it is cut and made plain', async () => {
    const { task, lease } = await hostileFirst('talks', 1);
    await hostile.fail(lease, '\u0000; DROP TABLE tasks', `\u001b[2J\u0000\ud800${'x'.repeat(100_000)}`);
    await cluster.ended(task);
    const story = await cluster.store.taskStory(task.id);
    const said = story?.events.find(({ kind }) => kind === 'retry_scheduled');
    assert.equal(said?.code, 'internal');
    assert.ok((said?.message ?? '').length <= 500);
    assert.doesNotMatch(said?.message ?? '', /\p{Cc}/u);
  });
});

describe('a hostile worker describes itself', () => {
  it('with more than it can have, or with what a terminal would obey: refused, naming the field', async () => {
    const guest = cluster.worker('boaster', newKey());
    const backend = { name: 'snarkjs', device: '' };
    const circuit = { circuitId: 'merkle-3', manifestDigest: new Uint8Array(32) };
    for (const [fields, field] of [
      [{ slots: 4_294_967_295 }, 'slots'],
      [{ slots: 0 }, 'slots'],
      [{ backends: Array.from({ length: 5_000 }, () => backend) }, 'backends'],
      [{ backends: [{ name: '\u001b]0;owned\u0007', device: '' }] }, 'backends[0].name'],
      [{ cachedCircuits: Array.from({ length: 5_000 }, () => circuit) }, 'cached_circuits'],
      [{ softwareVersion: '9'.repeat(100_000) }, 'software_version'],
      [{ host: '\u001b[2J\u001b[H' }, 'host'],
      [{ host: 'a\u202egnp.exe' }, 'host'],
    ] as const) {
      await assert.rejects(
        guest.register({
          ...fields,
          backends: [...('backends' in fields ? fields.backends : [backend])],
          cachedCircuits: [...('cachedCircuits' in fields ? fields.cachedCircuits : [])],
        }),
        (error: unknown) => {
          assert.deepEqual([(error as RemoteError).code, (error as RemoteError).field], ['invalid_request', field]);
          return true;
        },
      );
    }
  });

  it('by names that mean something to somebody else: each is a name or is refused, and the state is whole', async () => {
    for (const id of ['__proto__', 'constructor', 'toString', '..', '.']) {
      const worker = cluster.worker(id, newKey());
      await worker.register();
      await worker.heartbeat();
      worker.vanish();
    }
    for (const id of [
      '',
      'a b',
      'a/b',
      '\u0000',
      'ü',
      'x'.repeat(129),
      'x'.repeat(500_000),
      "'; DROP TABLE tasks;--",
    ]) {
      await assert.rejects(cluster.worker(id, newKey()).register(), coded('invalid_worker_id'));
    }
    assert.equal(({} as { slots?: unknown }).slots, undefined);
    const honest = await cluster.honest('honest-among-names');
    assert.equal((await cluster.ended(await cluster.submit())).workerId, 'honest-among-names');
    honest.stop();
  });
});
