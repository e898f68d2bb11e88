/** Which proofs are verified together, and who waits for whom: the queue alone, over a verifier that a test plays. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkraftError } from '../../src/common/index.ts';
import { VerificationQueue } from '../../src/coordinator/service/verification-queue.ts';
import { BATCH_SLICE, type BadProof, type ProofClaim, type VerificationKey } from '../../src/prover/index.ts';

const WAIT_MS = 30;
/** A proof that only comes, so that those after it expect company; nobody wants to know about it. */
const NOBODYS = 'another.0';
const turn = () => sleep(0);

/** A batch that was handed to the threads, and is answered when the test says so. */
interface Handed {
  readonly names: readonly string[];
  readonly key: string;
  answered: boolean;
  answer(bad?: readonly BadProof[]): Promise<void>;
  fail(error: Error): Promise<void>;
}

class Bench {
  readonly handed: Handed[] = [];
  readonly ends = new Map<string, string>();
  readonly queue: VerificationQueue;
  readonly unwanted = new Set<string>();

  constructor(threads = 1, queueMax = 1_000) {
    const verifyBatch = (key: VerificationKey, items: readonly ProofClaim[]): Promise<readonly BadProof[]> =>
      new Promise((resolve, reject) => {
        const one: Handed = {
          answered: false,
          names: items.map(({ publicSignals }) => publicSignals[0] as string),
          key: (key as unknown as { name: string }).name,
          answer: async (bad = []) => {
            one.answered = true;
            resolve(bad);
            await turn();
          },
          fail: async (error) => {
            one.answered = true;
            reject(error);
            await turn();
          },
        };
        this.handed.push(one);
      });
    const verifier = { threads, verifyBatch };
    this.queue = new VerificationQueue({ verifier, queueMax, waitMs: WAIT_MS, timeoutMs: 10_000 });
  }

  /** Proofs `w.1`, `w.2`, ... of worker `w`, by name. */
  send(name: string, circuitDigest = 'c'): void {
    const verificationKey = { name: circuitDigest } as unknown as VerificationKey;
    const claim = { proof: {}, publicSignals: [name] } as unknown as ProofClaim;
    const isWanted = () => !this.unwanted.has(name);
    const workerId = name.split('.')[0] as string;
    this.queue.verify({ circuitDigest, verificationKey, workerId, claim, isWanted }).then(
      (end) =>
        name === NOBODYS ||
        this.ends.set(name, end === undefined ? 'unwanted' : end.good ? 'good' : (end.error?.code ?? 'bad')),
      (error: ZkraftError) => this.ends.set(name, `thrown ${error.code}`),
    );
  }

  /** As if another had just come, so that each of them has company to expect. */
  sendAll(names: readonly string[]): void {
    this.unwanted.add(NOBODYS);
    this.send(NOBODYS);
    for (const name of names) this.send(name);
  }

  get last(): Handed {
    return this.handed.at(-1) as Handed;
  }

  /** So many good proofs of each worker, so that it is trusted with as many. */
  async trust(workers: readonly string[], proofs: number): Promise<void> {
    for (const worker of workers) {
      for (let i = 0; i < proofs; i++) {
        const before = this.handed.length;
        this.send(`${worker}.t${i}`);
        while (this.handed.length === before) await sleep(5);
        await this.last.answer();
      }
    }
    this.handed.length = 0;
    this.ends.clear();
  }

  /** Answers batch by batch, all good but what is named, until nothing more comes. */
  async drain(isBad: (name: string) => boolean = () => false): Promise<string[][]> {
    const unanswered = this.handed.findIndex(({ answered }) => !answered);
    const from = unanswered < 0 ? this.handed.length : unanswered;
    for (let i = from; ; i++) {
      for (let waited = 0; this.handed.length <= i && waited < 3 * WAIT_MS; waited += 5) await sleep(5);
      const next = this.handed[i];
      if (next === undefined) return this.handed.slice(from).map(({ names }) => [...names]);
      await next.answer(next.names.flatMap((name, index) => (isBad(name) ? [{ index, confirmed: true }] : [])));
    }
  }
}

/** The only claim of its worker. */
const proofOf = (workerId: string) => ({
  circuitDigest: 'c',
  verificationKey: {} as VerificationKey,
  claim: { proof: {}, publicSignals: [workerId] } as unknown as ProofClaim,
  workerId,
  isWanted: () => true,
});

const numbered = (worker: string, count: number) => Array.from({ length: count }, (_, i) => `${worker}.${i}`);

describe('proofs that wait for a thread', () => {
  it('go together when they come while one is verified, up to 64, in their order', async () => {
    const bench = new Bench();
    await bench.trust(['a', 'b'], 64);
    bench.send('a.first');
    await sleep(2 * WAIT_MS);
    const [as, bs] = [numbered('a', 35), numbered('b', 35)];
    const all = as.flatMap((name, i) => [name, bs[i] as string]);
    for (const name of all) bench.send(name);
    assert.deepEqual(bench.handed[0]?.names, ['a.first']);
    await bench.last.answer();
    assert.deepEqual(bench.last.names, all.slice(0, BATCH_SLICE));
    await bench.last.answer();
    await sleep(2 * WAIT_MS);
    assert.deepEqual(bench.last.names, all.slice(BATCH_SLICE));
    await bench.last.answer();
    assert.equal([...bench.ends.values()].filter((end) => end === 'good').length, 71);
  });

  it('wait no longer than they are told for company that does not come', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 4);
    const begunMs = performance.now();
    bench.sendAll(['a.1']);
    await turn();
    assert.equal(bench.handed.length, 0, 'it waits');
    bench.send('a.2');
    while (bench.handed.length === 0) await sleep(1);
    const tookMs = performance.now() - begunMs;
    assert.ok(tookMs >= WAIT_MS - 2 && tookMs < 20 * WAIT_MS, `${tookMs} ms`);
    assert.deepEqual(bench.last.names, ['a.1', 'a.2']);
    await bench.last.answer();
  });

  it('do not wait where others come more seldom', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 4);
    await sleep(2 * WAIT_MS);
    bench.send('a.1');
    assert.deepEqual(bench.handed[0]?.names, ['a.1']);
    await bench.last.answer();
  });

  it('are 64 at once without any wait', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 64);
    bench.sendAll(numbered('a', 64));
    assert.equal(bench.handed[0]?.names.length, 64);
    await bench.last.answer();
  });

  it('are of one key in each batch', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 8);
    bench.sendAll([]);
    for (const [name, key] of [
      ['a.1', 'c'],
      ['a.2', 'd'],
      ['a.3', 'c'],
      ['a.4', 'd'],
    ] as const)
      bench.send(name, key);
    assert.deepEqual(await bench.drain(), [
      ['a.1', 'a.3'],
      ['a.2', 'a.4'],
    ]);
    assert.deepEqual(
      bench.handed.map(({ key }) => key),
      ['c', 'd'],
    );
  });

  it('use as many threads as there are, and no more', async () => {
    const bench = new Bench(2);
    await bench.trust(['a'], 64);
    bench.sendAll(numbered('a', 64));
    assert.equal(bench.handed.length, 1);
    bench.send('a.more');
    await sleep(2 * WAIT_MS);
    // As many as it had good ones are in the threads already.
    assert.equal(bench.handed.length, 1);
    await bench.trust(['b'], 3);
    bench.sendAll(['b.1', 'b.2', 'b.3']);
    await sleep(2 * WAIT_MS);
    assert.deepEqual(
      bench.handed.map(({ names }) => names.length),
      [3],
    );
    bench.send('b.4');
    await sleep(2 * WAIT_MS);
    assert.equal(bench.handed.length, 1, 'both threads are busy');
  });

  it('are not verified when nobody wants to know any more', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 8);
    bench.send('a.1');
    await sleep(2 * WAIT_MS);
    bench.sendAll(['a.2', 'a.3', 'a.4']);
    bench.unwanted.add('a.2').add('a.4');
    await bench.last.answer();
    await sleep(2 * WAIT_MS);
    assert.deepEqual(bench.last.names, ['a.3']);
    await bench.last.answer();
    assert.deepEqual([...bench.ends].sort(), [
      ['a.1', 'good'],
      ['a.2', 'unwanted'],
      ['a.3', 'good'],
      ['a.4', 'unwanted'],
    ]);
  });

  it('are refused as overloaded when too many wait, and a worker when too many of its own do', async () => {
    const bench = new Bench(1, 8);
    bench.send('a.running');
    bench.sendAll(['a.1', 'a.2', 'a.3']);
    await turn();
    assert.deepEqual([...bench.ends], [['a.3', 'thrown overloaded']]);
    bench.sendAll(['b.1', 'b.2', 'c.1', 'c.2', 'd.1', 'd.2', 'e.1']);
    await turn();
    assert.equal(bench.ends.get('e.1'), 'thrown overloaded');
    assert.equal(bench.queue.waiting, 8);
    // A place that nobody needs is free.
    bench.unwanted.add('b.1');
    bench.send('e.2');
    await turn();
    assert.equal(bench.ends.get('b.1'), 'unwanted');
    assert.equal(bench.ends.get('e.2'), undefined);
    await bench.handed[0]?.answer();
    await bench.drain();
    assert.equal(bench.ends.get('e.2'), 'good');
  });
});

describe('a batch with bad members', () => {
  it('accepts the good ones and refuses the bad, the malformed with their error', async () => {
    const bench = new Bench();
    await bench.trust(['a', 'b'], 4);
    bench.sendAll(['a.1', 'b.1', 'a.2', 'b.2']);
    await sleep(2 * WAIT_MS);
    const error = new ZkraftError('proof_malformed', 'pi_a is odd');
    await bench.last.answer([
      { index: 1, confirmed: true },
      { index: 3, error, confirmed: true },
    ]);
    assert.deepEqual([...bench.ends].sort(), [
      ['a.1', 'good'],
      ['a.2', 'good'],
      ['b.1', 'bad'],
      ['b.2', 'proof_malformed'],
    ]);
  });

  it('has those judged again, alone, that got no second look', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 4);
    bench.sendAll(['a.1', 'a.2', 'a.3']);
    await sleep(2 * WAIT_MS);
    await bench.last.answer([
      { index: 0, confirmed: true },
      { index: 1, confirmed: false },
      { index: 2, confirmed: false },
    ]);
    assert.deepEqual([...bench.ends], [['a.1', 'bad']]);
    assert.deepEqual(await bench.drain((name) => name === 'a.3'), [['a.2'], ['a.3']]);
    assert.deepEqual(Object.fromEntries(bench.ends), { 'a.1': 'bad', 'a.2': 'good', 'a.3': 'bad' });
  });

  it('that fails as a whole fails nobody but whoever fails alone', async () => {
    const bench = new Bench();
    await bench.trust(['a', 'b'], 4);
    bench.sendAll(['a.1', 'b.1', 'a.2']);
    await sleep(2 * WAIT_MS);
    const crash = new ZkraftError('prover_crashed', 'the thread died');
    await bench.last.fail(crash);
    for (const name of ['a.1', 'b.1', 'a.2']) {
      assert.deepEqual(bench.last.names, [name]);
      await (name === 'b.1' ? bench.last.fail(crash) : bench.last.answer());
    }
    assert.deepEqual(Object.fromEntries(bench.ends), { 'a.1': 'good', 'b.1': 'thrown prover_crashed', 'a.2': 'good' });
  });
});

describe('a fault of ours', () => {
  it('that the verifier finds in public signals is thrown, and costs the worker no trust', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 4);
    bench.sendAll(['a.1', 'a.2']);
    await sleep(2 * WAIT_MS);
    const error = new ZkraftError('public_signals_malformed', 'there is one too many');
    await bench.last.answer([{ index: 0, error, confirmed: true }]);
    assert.deepEqual(Object.fromEntries(bench.ends), { 'a.1': 'thrown internal', 'a.2': 'good' });
    bench.sendAll(['a.3', 'a.4']);
    assert.deepEqual(await bench.drain(), [['a.3', 'a.4']]);
  });

  it('in who is told of batches is thrown to those in them, and holds up nobody else', async () => {
    let told = 0;
    const onBatch = () => {
      if (told++ === 0) throw new RangeError('no such metric');
    };
    const queue = new VerificationQueue({
      verifier: { threads: 1, verifyBatch: async () => [] },
      queueMax: 8,
      waitMs: 0,
      timeoutMs: 1_000,
      onBatch,
    });
    await assert.rejects(queue.verify(proofOf('a')), /no such metric/);
    assert.deepEqual(await queue.verify(proofOf('b')), { good: true });
  });
});

describe('the wait for company', () => {
  it('is a second at most, whatever is set', async () => {
    const sizes: number[] = [];
    const queue = new VerificationQueue({
      verifier: { threads: 1, verifyBatch: async () => [] },
      queueMax: 8,
      waitMs: 3_600_000,
      timeoutMs: 1_000,
      onBatch: (proofs) => sizes.push(proofs),
    });
    await queue.verify(proofOf('a'));
    const startedMs = performance.now();
    const end = await Promise.race([queue.verify(proofOf('a')), sleep(5_000, 'never', { ref: false })]);
    assert.deepEqual(end, { good: true });
    assert.ok(performance.now() - startedMs >= 900, 'it waited');
    assert.deepEqual(sizes, [1, 1]);
  });
});

describe('a worker', () => {
  it('is trusted with as many proofs in a batch as it had good ones', async () => {
    const bench = new Bench();
    bench.sendAll(numbered('a', 12));
    const sizes = (await bench.drain()).map((names) => names.length);
    assert.deepEqual(sizes, [1, 1, 2, 4, 4]);
  });

  it('goes alone again after a bad proof', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 8);
    bench.sendAll(numbered('a', 4));
    assert.deepEqual(await bench.drain((name) => name === 'a.1'), [numbered('a', 4)]);
    bench.handed.length = 0;
    bench.sendAll(['a.4', 'a.5', 'a.6']);
    assert.deepEqual(await bench.drain((name) => name === 'a.4'), [['a.4'], ['a.5'], ['a.6']]);
  });

  it('keeps its trust however many others hand in bad proofs', async () => {
    const bad = new Set<string>();
    const sizes: number[] = [];
    const verifyBatch = async (_key: VerificationKey, items: readonly ProofClaim[]) =>
      items.flatMap(({ publicSignals: [name] }, index) =>
        bad.has(name as string) ? [{ index, confirmed: true }] : [],
      );
    const queue = new VerificationQueue({
      verifier: { threads: 1, verifyBatch },
      queueMax: 1_000,
      waitMs: 0,
      timeoutMs: 1_000,
      onBatch: (proofs) => sizes.push(proofs),
    });
    for (let i = 0; i < 4; i++) await queue.verify(proofOf('a'));
    for (let i = 0; i < 5_000; i++) {
      bad.add(`x${i}`);
      assert.deepEqual(await queue.verify(proofOf(`x${i}`)), { good: false });
    }
    sizes.length = 0;
    // While the first is verified, the others come together.
    await Promise.all(Array.from({ length: 5 }, () => queue.verify(proofOf('a'))));
    assert.deepEqual(sizes, [1, 4]);
  });

  it('that hands in bad proofs only delays others by one of them a batch, whatever it sends', async () => {
    for (const threads of [1, 2]) {
      const bench = new Bench(threads);
      await bench.trust(['a', 'b'], 64);
      const isBad = (name: string) => name.startsWith('x');
      const honest = ['a', 'b'].flatMap((worker) => numbered(worker, 64));
      bench.sendAll(numbered('x', 40));
      for (const name of honest) bench.send(name);
      const batches = await bench.drain(isBad);
      assert.ok(
        batches.every((names) => names.length === 1 || !names.some(isBad)),
        'no bad proof is in a batch',
      );
      // Both batches have gone before the third bad proof.
      const order = batches.map((names) => (names.some(isBad) ? 'x' : String(names.length))).join(' ');
      assert.match(order, threads === 1 ? /^x 64 x 64( x){38}$/ : /^x 64 (x 64|64 x)( x){38}$/);
    }
  });

  it('that goes alone makes no batch of others wait for company: the batch goes at once, before it', async () => {
    const bench = new Bench();
    await bench.trust(['a'], 4);
    bench.sendAll(['x.1', 'x.2', 'a.1']);
    await bench.last.answer([{ index: 0, confirmed: true }]);
    assert.deepEqual(bench.last.names, ['a.1']);
    assert.equal(bench.handed.length, 2);
    await bench.last.answer();
    assert.deepEqual(bench.last.names, ['x.2']);
    await bench.last.answer();
  });

  it('cannot hold more than one thread with proofs that go alone', async () => {
    const bench = new Bench(4);
    for (const worker of ['x', 'y', 'z']) bench.sendAll(numbered(worker, 3));
    await sleep(2 * WAIT_MS);
    assert.equal(bench.handed.length, 1);
    await bench.last.answer([{ index: 0, confirmed: true }]);
    await sleep(2 * WAIT_MS);
    assert.equal(bench.handed.length, 2);
  });
});
