/**
 * A worker that has every proof ready: it acknowledges, starts and completes each lease at once, over real gRPC.
 *
 * It does what the agent does, in the same order, without proving; so all that the coordinator does for a task is done.
 * Whatever is answered to it that should not happen is an error of the soak.
 */
import { ChannelCredentials, type ClientReadableStream, Metadata } from '@grpc/grpc-js';
import { toHex, VERSION } from '../../src/common/index.ts';
import {
  CoordinatorServiceClient,
  fromServiceError,
  type Lease,
  type ReceiveTasksResponse,
  type RegisterWorkerResponse,
  type TaskAssignment,
} from '../../src/common/rpc/index.ts';
import type { Statement, Statements } from './statements.ts';

const DEADLINE_MS = 20_000;

type Done<T> = (error: Error | null, value: T) => void;
type Call<T> = (metadata: Metadata, options: { deadline: number }, done: Done<T>) => unknown;

export interface ReadyWorkerOptions {
  readonly port: number;
  readonly id: string;
  readonly slots: number;
  readonly statements: Statements;
  readonly assigned: (taskId: string) => void;
  readonly completed: (taskId: string) => void;
  readonly failed: (error: Error) => void;
}

export class ReadyWorker {
  readonly #options: ReadyWorkerOptions;
  readonly #client: CoordinatorServiceClient;
  readonly #byRoot: ReadonlyMap<string, Statement>;
  readonly #held = new Map<string, Lease>();
  #sessionId = 0n;
  #stream: ClientReadableStream<ReceiveTasksResponse> | undefined;
  #beats: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ReadyWorkerOptions) {
    this.#options = options;
    this.#byRoot = new Map(options.statements.all.map((statement) => [toHex(statement.root), statement]));
    this.#client = new CoordinatorServiceClient(`127.0.0.1:${options.port}`, ChannelCredentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  async join(): Promise<void> {
    const { id: workerId, slots, statements } = this.#options;
    const answer = await this.#call<RegisterWorkerResponse>((metadata, options, done) =>
      this.#client.registerWorker(
        {
          workerId,
          softwareVersion: VERSION,
          slots,
          backends: [{ name: 'snarkjs', device: '' }],
          cachedCircuits: [
            { circuitId: statements.circuitId, manifestDigest: Buffer.from(statements.circuitDigest, 'hex') },
          ],
          heldLeases: [],
          host: 'soak',
        },
        metadata,
        options,
        done,
      ),
    );
    this.#sessionId = answer.sessionId;
    this.#beats = setInterval(() => this.#beat(), Number(answer.heartbeatIntervalMs));
    this.#stream = this.#client.receiveTasks({ workerId, sessionId: answer.sessionId }, new Metadata());
    this.#stream.on('data', ({ event }: ReceiveTasksResponse) => {
      if (event?.$case === 'assignment') void this.#do(event.value);
      else if (event?.$case === 'cancellation') this.#fail(new Error(`a lease was taken away: ${event.value.reason}`));
    });
    this.#stream.on('error', (error) => this.#fail(fromServiceError(error)));
    this.#stream.on('end', () => this.#fail(new Error('the task stream ended')));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#beats);
    this.#stream?.cancel();
    this.#client.close();
  }

  async #do({ lease, task }: TaskAssignment): Promise<void> {
    try {
      if (lease === undefined || task === undefined) throw new Error('an assignment lacks its lease or its task');
      const { taskId } = lease;
      if (this.#held.has(taskId)) throw new Error(`task ${taskId} was delivered twice`);
      this.#held.set(taskId, lease);
      this.#options.assigned(taskId);
      const statement = this.#byRoot.get(toHex(task.value.root));
      if (statement === undefined) throw new Error(`task ${taskId} is of an unknown tree`);
      const { proof, publicSignals } = statement;
      const sessionId = this.#sessionId;
      await this.#call((m, o, done) => this.#client.acknowledgeTask({ lease, sessionId }, m, o, done));
      await this.#call((m, o, done) => this.#client.startTask({ lease, sessionId }, m, o, done));
      const report = { lease, sessionId, proof, publicSignals, backend: 'snarkjs', timings: undefined };
      await this.#call((m, o, done) => this.#client.reportCompletion(report, m, o, done));
      this.#held.delete(taskId);
      this.#options.completed(taskId);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #beat(): void {
    const { id: workerId } = this.#options;
    const request = { workerId, sessionId: this.#sessionId, heldLeases: [...this.#held.values()], draining: false };
    this.#call((m, o, done) => this.#client.sendHeartbeat(request, m, o, done)).catch((error: Error) =>
      this.#fail(error),
    );
  }

  #fail(error: Error): void {
    if (!this.#closed) this.#options.failed(error);
  }

  #call<T>(start: Call<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      start(new Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, value) =>
        error === null ? resolve(value) : reject(fromServiceError(error)),
      );
    });
  }
}
