/**
 * A coordinator under attack: on PostgreSQL and a disk, with keys and true proofs, an honest worker on demand, and the
 * record as the test sees it, past the coordinator.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packElements, toBytesBE } from '../../src/common/index.ts';
import { createProver, proofToBytes } from '../../src/prover/index.ts';
import { openStore, type Store, type TaskRow } from '../../src/store/index.ts';
import { FakeWorker } from '../coordinator/fake-worker.ts';
import { makeMerkleKeys } from '../support/merkle-circuits.ts';
import { startTestPostgres } from '../support/postgres.ts';
import { startVictim, type Victim, type VictimOptions } from './victim.ts';

const DEPTH = 3;
const LEAVES = [11n, 22n, 33n];
const OWNER = 'alice';
/** Of external hashes; a proof made for one does not hold for the other. */
export type Purpose = 'login' | 'vote';
const EXTERNAL_HASHES: Readonly<Record<Purpose, bigint>> = { login: 7n, vote: 8n };

export interface TrueProof {
  readonly proof: Uint8Array;
  readonly signals: Uint8Array[];
}

export interface Cluster {
  readonly victim: Victim;
  readonly store: Store;
  readonly proofs: Readonly<Record<Purpose, TrueProof>>;
  readonly circuitDigest: string;
  /** The digest of the proving key, the largest file that workers fetch. */
  readonly zkeyDigest: string;
  submit(purpose?: Purpose): Promise<TaskRow>;
  row(task: TaskRow): Promise<TaskRow>;
  /** A worker that does nothing by itself; `key` as in FakeWorker. */
  worker(id: string, key?: string): FakeWorker;
  /** One that proves what it is given, and shows a key. */
  honest(id: string, slots?: number): Promise<HonestWorker>;
  /** Resolves with the row once it has ended. */
  ended(task: TaskRow, limitMs?: number): Promise<TaskRow>;
  http(path: string): Promise<{ status: number; text: string }>;
  close(): Promise<void>;
}

export const newKey = (): string => randomBytes(32).toString('hex');

export async function startCluster(coordinator: VictimOptions['coordinator'] = {}): Promise<Cluster> {
  const [postgres, keys, prover] = await Promise.all([
    startTestPostgres(),
    makeMerkleKeys(DEPTH),
    createProver({ backend: 'snarkjs', threads: 1 }),
  ]);
  const circuit = keys.circuits.get(DEPTH);
  const pinned = await keys.store.circuits.find(`merkle-${DEPTH}`);
  if (circuit === undefined || pinned === undefined) throw new Error('no circuit');
  const root = toBytesBE(await prover.merkleRoot(LEAVES, DEPTH));
  const prove = async (externalHash: bigint): Promise<TrueProof> => {
    const made = await prover.proveMerkle(circuit, { leaves: LEAVES, leafIndex: 1, depth: DEPTH, externalHash });
    return {
      proof: proofToBytes(made.proof),
      signals: made.publicSignals.map((signal) => toBytesBE(BigInt(signal))),
    };
  };
  const proofs = { login: await prove(EXTERNAL_HASHES.login), vote: await prove(EXTERNAL_HASHES.vote) };
  await prover.close();
  const connectionString = await postgres.createDatabase();
  const logDir = await mkdtemp(join(tmpdir(), 'zkraft-hostile-log-'));
  const store = await openStore({ connectionString });
  const victim = await startVictim({
    role: 'coordinator',
    connectionString,
    artifactsDir: keys.dir,
    logDir,
    coordinator: {
      pollIntervalMs: 100,
      heartbeatTimeoutMs: 6_000,
      heartbeatIntervalMs: 300,
      deliveryTimeoutMs: 4_000,
      taskTimeoutMs: 2_000,
      staleTaskTimeoutMs: 15_000,
      backoffBaseMs: 20,
      backoffCapMs: 60,
      ...coordinator,
    },
  });
  const workers: FakeWorker[] = [];
  const worker = (id: string, key?: string): FakeWorker => {
    const made = new FakeWorker(victim.ports.grpc ?? 0, id, undefined, key);
    workers.push(made);
    return made;
  };
  const row = async ({ id }: TaskRow): Promise<TaskRow> => {
    const found = await store.find(OWNER, id);
    if (found === undefined) throw new Error(`task ${id} is gone`);
    return found;
  };
  return {
    victim,
    store,
    proofs,
    circuitDigest: circuit.digest,
    zkeyDigest: pinned.manifest.files.zkey.digest,
    worker,
    row,
    submit: async (purpose = 'login') => {
      const { task } = await store.insert({
        owner: OWNER,
        contentHash: randomBytes(32),
        circuitId: `merkle-${DEPTH}`,
        circuitDigest: circuit.digest,
        depth: DEPTH,
        leafIndex: 1,
        leaves: packElements(LEAVES),
        root,
        externalHash: toBytesBE(EXTERNAL_HASHES[purpose]),
        priority: 5,
        requestId: randomUUID(),
        fresh: true,
      });
      return task;
    },
    honest: async (id, slots = 4) => await new HonestWorker(worker(id, newKey()), proofs).join(slots),
    ended: async (task, limitMs = 20_000) => {
      const found = await store.waitTerminal(OWNER, task.id, limitMs);
      if (found?.completedAt === undefined) throw new Error(`task ${task.id} is ${found?.status}, not ended`);
      return found;
    },
    http: async (path) => {
      const response = await fetch(`http://127.0.0.1:${victim.ports.http}${path}`);
      return { status: response.status, text: await response.text() };
    },
    close: async () => {
      for (const one of workers) one.vanish();
      await victim.stop();
      await store.close();
      await postgres.stop();
      await keys.remove();
      await rm(logDir, { recursive: true, force: true });
    },
  };
}

/** Takes what it is given, and hands in the proof that is true for it. */
export class HonestWorker {
  readonly wire: FakeWorker;
  readonly #proofs: Readonly<Record<Purpose, TrueProof>>;
  /** What its reports were refused with; empty for one that is left alone. */
  readonly refusals: string[] = [];
  #next = 0;
  #stopped = false;

  constructor(wire: FakeWorker, proofs: Readonly<Record<Purpose, TrueProof>>) {
    this.wire = wire;
    this.#proofs = proofs;
  }

  async join(slots: number): Promise<this> {
    await this.wire.join(slots, 300);
    void this.#work();
    return this;
  }

  /** While it rests it is given nothing. */
  async rest(resting: boolean): Promise<void> {
    this.wire.draining = resting;
    await this.wire.heartbeat([], resting);
  }

  stop(): void {
    this.#stopped = true;
    this.wire.vanish();
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const assignment = await this.wire.assignment(this.#next).catch(() => undefined);
      if (assignment === undefined) continue;
      this.#next += 1;
      const { lease, task } = assignment;
      const hash = BigInt(`0x${Buffer.from(task?.value.externalHash ?? []).toString('hex')}`);
      const { proof, signals } = this.#proofs[hash === EXTERNAL_HASHES.login ? 'login' : 'vote'];
      this.wire.complete(lease, proof, signals).catch((error: { code?: string }) => {
        this.refusals.push(error.code ?? String(error));
      });
    }
  }
}
