/** A worker made of bare RPCs: does nothing by itself, so that a test can do anything in any order. */
import { ChannelCredentials, type ClientReadableStream, Metadata } from '@grpc/grpc-js';
import {
  type Backend,
  CoordinatorServiceClient,
  type FetchArtifactResponse,
  fromServiceError,
  type Lease,
  type ReceiveTasksResponse,
  type RegisterWorkerRequest,
  type RegisterWorkerResponse,
  type RemoteError,
  type ReportFailureResponse,
  type SendHeartbeatResponse,
  type TaskAssignment,
  WORKER_KEY_HEADER,
} from '../../src/common/rpc/index.ts';

type Done<T> = (error: Error | null, value: T) => void;

const DEADLINE_MS = 8_000;

export class FakeWorker {
  readonly id: string;
  readonly assignments: TaskAssignment[] = [];
  readonly cancellations: Lease[] = [];
  sessionId = 0n;
  /** Why the stream ended; undefined while it is open. */
  streamEnd: RemoteError | 'end' | undefined;
  readonly #client: CoordinatorServiceClient;
  readonly #token: string | undefined;
  readonly #key: string | undefined;
  #stream: ClientReadableStream<ReceiveTasksResponse> | undefined;
  #beats: NodeJS.Timeout | undefined;
  readonly #waiters = new Set<() => void>();

  /** `key`: 64 hex digits by which the coordinator is to know it again. */
  constructor(port: number, id: string, token?: string, key?: string) {
    this.id = id;
    this.#token = token;
    this.#key = key;
    this.#client = new CoordinatorServiceClient(`127.0.0.1:${port}`, ChannelCredentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  async register(fields: Partial<RegisterWorkerRequest> = {}): Promise<RegisterWorkerResponse> {
    const backends: Backend[] = [{ name: 'snarkjs', device: '' }];
    const answer = await this.call<RegisterWorkerResponse>((metadata, options, done) =>
      this.#client.registerWorker(
        {
          workerId: this.id,
          softwareVersion: '0.1.0',
          slots: 2,
          backends,
          cachedCircuits: [],
          heldLeases: [],
          host: 'test',
          ...fields,
        },
        metadata,
        options,
        done,
      ),
    );
    this.sessionId = answer.sessionId;
    return answer;
  }

  /** Registers, opens the stream, and beats for what `held` names. */
  async join(slots = 2, beatMs = 50): Promise<this> {
    await this.register({ slots });
    this.receive();
    this.#beats = setInterval(() => void this.heartbeat(this.held, this.draining).catch(() => {}), beatMs);
    return this;
  }

  /** Named in the heartbeats of `join`. */
  held: Lease[] = [];
  draining = false;

  stopBeating(): void {
    clearInterval(this.#beats);
  }

  receive(sessionId: bigint = this.sessionId): void {
    this.streamEnd = undefined;
    const stream = this.#client.receiveTasks({ workerId: this.id, sessionId }, this.#metadata());
    this.#stream = stream;
    stream.on('data', ({ event }: ReceiveTasksResponse) => {
      if (event?.$case === 'assignment') this.assignments.push(event.value);
      if (event?.$case === 'cancellation' && event.value.lease) this.cancellations.push(event.value.lease);
      this.#wake();
    });
    stream.on('error', (error) => {
      if (this.#stream === stream) this.streamEnd = fromServiceError(error);
      this.#wake();
    });
    stream.on('end', () => {
      if (this.#stream === stream) this.streamEnd ??= 'end';
      this.#wake();
    });
  }

  /** A second stream of the same worker, watched apart. */
  secondStream(): { ended: Promise<void>; messages: ReceiveTasksResponse[]; cancel(): void } {
    const stream = this.#client.receiveTasks({ workerId: this.id, sessionId: this.sessionId }, this.#metadata());
    const messages: ReceiveTasksResponse[] = [];
    stream.on('data', (message: ReceiveTasksResponse) => messages.push(message));
    const ended = new Promise<void>((resolve) => {
      stream.on('error', () => resolve());
      stream.on('end', () => resolve());
    });
    return { ended, messages, cancel: () => stream.cancel() };
  }

  /** The nth assignment, the first being 0. */
  async assignment(n = 0): Promise<TaskAssignment & { lease: Lease }> {
    await this.until(() => this.assignments.length > n);
    const found = this.assignments[n];
    if (found?.lease === undefined) throw new Error('no assignment');
    return { ...found, lease: found.lease };
  }

  async until(condition: () => boolean, timeoutMs = DEADLINE_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`nothing came: ${condition}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, 20);
        const waiters = this.#waiters;
        function done(): void {
          clearTimeout(timer);
          waiters.delete(done);
          resolve();
        }
        waiters.add(done);
      });
    }
  }

  heartbeat(heldLeases: Lease[] = [], draining = false): Promise<SendHeartbeatResponse> {
    const { id: workerId, sessionId } = this;
    return this.call((m, o, done) =>
      this.#client.sendHeartbeat({ workerId, sessionId, heldLeases, draining }, m, o, done),
    );
  }

  acknowledge(lease: Lease): Promise<unknown> {
    return this.call((m, o, done) => this.#client.acknowledgeTask({ lease, sessionId: this.sessionId }, m, o, done));
  }

  start(lease: Lease): Promise<unknown> {
    return this.call((m, o, done) => this.#client.startTask({ lease, sessionId: this.sessionId }, m, o, done));
  }

  complete(lease: Lease, proof: Uint8Array, publicSignals: Uint8Array[]): Promise<unknown> {
    const { sessionId } = this;
    const request = { lease, sessionId, proof, publicSignals, backend: 'snarkjs', timings: undefined };
    return this.call((m, o, done) => this.#client.reportCompletion(request, m, o, done));
  }

  fail(lease: Lease, code: string, message = 'it did not work'): Promise<ReportFailureResponse> {
    const { sessionId } = this;
    return this.call((m, o, done) => this.#client.reportFailure({ lease, sessionId, code, message }, m, o, done));
  }

  async fetch(digest: Uint8Array, offset = 0n): Promise<{ bytes: Buffer; total: bigint; largest: number }> {
    const stream = this.#client.fetchArtifact({ workerId: this.id, digest, offset }, this.#metadata());
    const chunks: Uint8Array[] = [];
    let total = 0n;
    try {
      for await (const message of stream as AsyncIterable<FetchArtifactResponse>) {
        chunks.push(message.chunk);
        total = message.totalBytes;
      }
    } catch (error) {
      throw fromServiceError(error);
    }
    return { bytes: Buffer.concat(chunks), total, largest: Math.max(0, ...chunks.map((chunk) => chunk.length)) };
  }

  /** Goes without a word, as a killed process does. */
  vanish(): void {
    this.stopBeating();
    this.#stream?.cancel();
    this.#client.close();
  }

  call<T>(start: (metadata: Metadata, options: { deadline: number }, done: Done<T>) => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      start(this.#metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, value) =>
        error === null ? resolve(value) : reject(fromServiceError(error)),
      );
    });
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    if (this.#token !== undefined) metadata.set('authorization', `Bearer ${this.#token}`);
    if (this.#key !== undefined) metadata.set(WORKER_KEY_HEADER, this.#key);
    return metadata;
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake();
  }
}
