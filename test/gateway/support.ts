/**
 * What the gateway's tests stand on: a task store in memory, one circuit with keys, a prover whose root is a hash, and
 * a client that writes bytes to a socket.
 *
 * The store keeps the rules of the real one that the gateway relies on: owners are apart, the same content is the same
 * task unless it failed, an idempotency key with another content is a conflict.
 */
import { createHash, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { fromBytesBE, packElements, sha256Hex, toHex, ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/index.ts';
import type { ArtifactStore, CircuitManifest, PinnedCircuit } from '../../src/prover/artifacts/types.ts';
import type {
  CancelOutcome,
  InsertOutcome,
  NewTask,
  ResubmitOutcome,
  StoreHealth,
  TaskListQuery,
  TaskRow,
  TaskStore,
  TaskSummary,
} from '../../src/store/types.ts';

export class MemoryTasks implements TaskStore, StoreHealth {
  readonly rows = new Map<string, TaskRow>();
  readonly submitted: NewTask[] = [];
  readonly waiting = new Set<() => void>();
  /** What every call rejects with while it is set. */
  failure: Error | undefined;
  readonly #byContent = new Map<string, string>();
  readonly #byKey = new Map<string, string>();

  async insert(task: NewTask): Promise<InsertOutcome> {
    this.#check();
    this.submitted.push(task);
    const content = `${task.owner} ${toHex(task.contentHash)}`;
    const key = task.idempotencyKey === undefined ? undefined : `${task.owner} ${task.idempotencyKey}`;
    const keyed = key === undefined ? undefined : this.#byKey.get(key);
    if (keyed !== undefined && keyed !== content) {
      throw new ZkraftError('idempotency_conflict', 'this idempotency key was used with another body; use a new key');
    }
    if (key !== undefined) this.#byKey.set(key, content);
    const known = this.rows.get(this.#byContent.get(content) ?? '');
    if (known && known.status !== 'failed' && known.status !== 'cancelled' && !task.fresh) {
      return { task: known, created: false };
    }
    const row: TaskRow = {
      ...task,
      id: randomUUID(),
      status: 'pending',
      treeId: sha256Hex(task.leaves),
      attempt: 0,
      workerId: undefined,
      proof: undefined,
      publicSignals: undefined,
      errorCode: undefined,
      errorMessage: undefined,
      createdAt: new Date(),
      startedAt: undefined,
      completedAt: undefined,
      cancelRequestedAt: undefined,
      cancelRequestedBy: undefined,
      resubmittedFrom: undefined,
    };
    this.rows.set(row.id, row);
    this.#byContent.set(content, row.id);
    return { task: row, created: true };
  }

  async list(owner: string, { status, after, limit }: TaskListQuery): Promise<readonly TaskSummary[]> {
    this.#check();
    const key = ({ createdAt, id }: { createdAt: Date; id: string }) => `${createdAt.toISOString()} ${id}`;
    return [...this.rows.values()]
      .filter((row) => row.owner === owner && (status === undefined || row.status === status))
      .filter((row) => after === undefined || key(row) < key(after))
      .sort((a, b) => (key(a) < key(b) ? 1 : -1))
      .slice(0, limit);
  }

  async find(owner: string, id: string): Promise<TaskRow | undefined> {
    this.#check();
    const row = this.rows.get(id);
    return row?.owner === owner ? row : undefined;
  }

  async requestCancel(owner: string, id: string): Promise<CancelOutcome | undefined> {
    const task = await this.find(owner, id);
    if (task === undefined) return undefined;
    if (['completed', 'failed', 'cancelled'].includes(task.status)) return { task, outcome: 'ended' };
    if (task.cancelRequestedAt !== undefined) return { task, outcome: 'before' };
    const asked = { ...task, cancelRequestedAt: new Date(), cancelRequestedBy: owner };
    this.rows.set(id, asked);
    return { task: asked, outcome: 'asked' };
  }

  async resubmit(owner: string, id: string, requestId: string): Promise<ResubmitOutcome | undefined> {
    const task = await this.find(owner, id);
    if (task === undefined) return undefined;
    if (task.status !== 'failed' && task.status !== 'cancelled') return { task, outcome: 'refused' };
    const there = [...this.rows.values()].find(
      (row) => row.resubmittedFrom === id && row.status !== 'failed' && row.status !== 'cancelled',
    );
    if (there) return { task: there, outcome: 'there' };
    const again: TaskRow = {
      ...task,
      id: randomUUID(),
      status: 'pending',
      errorCode: undefined,
      errorMessage: undefined,
      completedAt: undefined,
      requestId,
      resubmittedFrom: id,
    };
    this.rows.set(again.id, again);
    return { task: again, outcome: 'repeated' };
  }

  async waitTerminal(owner: string, id: string, timeoutMs: number, signal?: AbortSignal): Promise<TaskRow | undefined> {
    this.#check();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
    return await this.find(owner, id);
  }

  async ping(): Promise<void> {
    this.#check();
  }

  /** Ends a task as the coordinator would, and wakes who waits for it. */
  end(id: string, change: Partial<TaskRow>): void {
    const row = this.rows.get(id);
    if (!row) throw new Error(`no task ${id}`);
    this.rows.set(id, { ...row, completedAt: new Date(), ...change });
    for (const done of [...this.waiting]) done();
  }

  #check(): void {
    if (this.failure) throw this.failure;
  }
}

export const VKEY_TEXT = '{"protocol": "groth16",\n "curve": "bn128", "nPublic": 2, "IC": []}';

/** Keys for depth 8 and 10; not for 16. */
export function memoryArtifacts(depths: readonly number[] = [8, 10]): ArtifactStore {
  const vkey = new TextEncoder().encode(VKEY_TEXT);
  const file = (text: string) => ({ digest: sha256Hex(text), bytes: text.length });
  const pinned = depths.map((depth): PinnedCircuit => {
    const manifest: CircuitManifest = {
      version: 1,
      circuitId: `merkle-${depth}`,
      circuitType: 'merkle',
      depth,
      proofSystem: 'groth16',
      curve: 'bn254',
      trustedSetup: 'single-party',
      setupCheck: 'made-here',
      publicSignals: ['root', 'externalHash'],
      constraints: 100 * depth,
      wires: 100 * depth,
      createdAt: '2026-01-02T03:04:05.000Z',
      files: { r1cs: file('r1cs'), wasm: file('wasm'), zkey: file('zkey'), vkey: file(VKEY_TEXT) },
    };
    return { circuitId: manifest.circuitId, digest: sha256Hex(JSON.stringify(manifest)), manifest };
  });
  const get = async (digest: string): Promise<Uint8Array> => {
    if (digest === sha256Hex(VKEY_TEXT)) return vkey;
    throw new ZkraftError('artifact_not_found', 'no such blob');
  };
  return {
    circuits: {
      pin: async () => {
        throw new Error('a gateway pins nothing');
      },
      find: async (id) => pinned.find(({ circuitId }) => circuitId === id),
      list: async () => pinned,
    },
    blobs: {
      get,
      put: async () => {
        throw new Error('a gateway stores nothing');
      },
      has: async (digest) => digest === sha256Hex(VKEY_TEXT),
      size: async (digest) => (await get(digest)).length,
      read: async function* (digest) {
        yield await get(digest);
      },
    },
  };
}

/** The root is a hash of depth and leaves: enough to tell one tree from another. */
export class HashingProver {
  calls = 0;

  async merkleRoot(leaves: readonly bigint[], depth: number): Promise<bigint> {
    this.calls += 1;
    return fromBytesBE(createHash('sha256').update(`${depth}`).update(packElements(leaves)).digest()) >> 8n;
  }
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly tasks: MemoryTasks;
  readonly prover: HashingProver;
}

/** On a free port of 127.0.0.1, without rate limit unless the test asks for one. */
export async function testGateway(options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  const tasks = new MemoryTasks();
  const prover = new HashingProver();
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    tasks,
    health: tasks,
    artifacts: memoryArtifacts(),
    prover,
    logger: silentLogger,
    authentication: { mode: 'none' },
    rateLimit: { enabled: false },
    ...options,
  });
  return { gateway, tasks, prover };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly json: any;
}

export async function submit(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${url}/api/v1/tasks/merkle`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, json: await response.json() };
}

export async function get(url: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url + path, { headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === '' ? undefined : JSON.parse(text) };
}

/** A piece of what is sent: bytes, or milliseconds to wait before the next. */
export type Piece = string | Uint8Array | number;

/** Sends the pieces over one connection and resolves with all that comes back until the other side ends it. */
export function raw(port: number, pieces: readonly Piece[], limitMs = 8_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const received: Uint8Array[] = [];
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection was still open after ${limitMs} ms`));
    }, limitMs);
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(received).toString('utf8'));
    });
    socket.on('connect', async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        if (typeof piece === 'number') await new Promise((next) => setTimeout(next, piece));
        else socket.write(piece);
      }
    });
  });
}

/** Status and body of the first answer in `text`. */
export function parseRaw(text: string): Answer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Headers();
  for (const line of lines) headers.append(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim());
  const body = rest.join('\r\n\r\n');
  return { status: Number(first.split(' ')[1]), headers, json: body === '' ? undefined : JSON.parse(body) };
}
