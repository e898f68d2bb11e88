/**
 * A coordinator that misbehaves on request: a real gRPC server over the generated contract, with no state behind it.
 *
 * Tests set `refuse` to have a call fail in any way, push stream messages by hand, cut streams and downloads, and read
 * what arrived from `calls`. It can be stopped and started again on its port.
 */
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { toHex, ZkraftError } from '../../src/common/index.ts';
import {
  CoordinatorServiceService,
  type FetchArtifactRequest,
  FetchArtifactResponse,
  type Lease,
  ReceiveTasksResponse,
  type RegisterWorkerRequest,
  RemoteError,
  type ReportCompletionRequest,
  type ReportFailureRequest,
  type SendHeartbeatRequest,
  type TaskAssignment,
  toServiceError,
} from '../../src/common/rpc/index.ts';

export type CallName =
  | 'registerWorker'
  | 'sendHeartbeat'
  | 'receiveTasks'
  | 'acknowledgeTask'
  | 'startTask'
  | 'reportCompletion'
  | 'reportFailure'
  | 'fetchArtifact';

export interface SeenCall {
  readonly name: CallName;
  readonly request: unknown;
  readonly metadata: Metadata;
}

/** A refusal: an error, or `hang` for no answer at all. */
export type Refusal = Error | 'hang' | undefined;

const HALF_CHUNK = 64 * 1024;

export class FakeCoordinator {
  readonly calls: SeenCall[] = [];
  term = 1n;
  clusterId = 'cluster-1';
  heartbeatIntervalMs = 40;
  /** Named in heartbeat answers until taken out. */
  drop: Lease[] = [];
  /** What a registration keeps; default: all that it names. */
  keep: ((held: readonly Lease[]) => Lease[]) | undefined;
  /** Asked at each call, which is refused with what it returns. */
  refuse: (name: CallName, request: unknown) => Refusal = () => undefined;
  readonly blobs = new Map<string, Uint8Array>();
  /** What becomes of the chunks of one download: sent as they are, changed, or `cut` there. */
  onChunk: (chunk: Uint8Array, offset: number, digest: string) => Uint8Array | 'cut' = (chunk) => chunk;
  chunkBytes = HALF_CHUNK;
  #sessions = 0n;
  #server: Server | undefined;
  #port = 0;
  #streams = new Set<ServerWritableStream<unknown, Buffer>>();
  readonly #watchers = new Set<() => void>();

  static async start(): Promise<FakeCoordinator> {
    const coordinator = new FakeCoordinator();
    await coordinator.start();
    return coordinator;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Listens, on the port it had before if it had one. */
  async start(): Promise<void> {
    const server = new Server();
    // Stream messages go out as they are given, so that garbage can be sent.
    const raw = (value: Buffer): Buffer => value;
    const service = {
      ...CoordinatorServiceService,
      receiveTasks: { ...CoordinatorServiceService.receiveTasks, responseSerialize: raw },
      fetchArtifact: { ...CoordinatorServiceService.fetchArtifact, responseSerialize: raw },
    };
    server.addService(
      service as never,
      {
        registerWorker: this.#unary('registerWorker', (request: RegisterWorkerRequest) => ({
          sessionId: ++this.#sessions,
          term: this.term,
          heartbeatIntervalMs: BigInt(this.heartbeatIntervalMs),
          clusterId: this.clusterId,
          keep: this.keep?.(request.heldLeases) ?? request.heldLeases,
        })),
        sendHeartbeat: this.#unary('sendHeartbeat', () => ({ term: this.term, drop: this.drop })),
        acknowledgeTask: this.#unary('acknowledgeTask', () => ({})),
        startTask: this.#unary('startTask', () => ({})),
        reportCompletion: this.#unary('reportCompletion', () => ({})),
        reportFailure: this.#unary('reportFailure', () => ({ willRetry: false })),
        receiveTasks: (call: ServerWritableStream<unknown, Buffer>) => this.#receiveTasks(call),
        fetchArtifact: (call: ServerWritableStream<FetchArtifactRequest, Buffer>) => void this.#fetchArtifact(call),
      } as never,
    );
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(this.address, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    this.#server = server;
  }

  /** Dies: every connection is cut. */
  stop(): void {
    this.#streams.clear();
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  send(event: ReceiveTasksResponse['event'], term: bigint = this.term): void {
    this.sendRaw(Buffer.from(ReceiveTasksResponse.encode({ term, event }).finish()));
  }

  assign(assignment: TaskAssignment, term: bigint = this.term): void {
    this.send({ $case: 'assignment', value: assignment }, term);
  }

  sendRaw(bytes: Buffer): void {
    for (const stream of this.#streams) stream.write(bytes);
  }

  endStreams(error?: Error): void {
    for (const stream of this.#streams) {
      if (error === undefined) stream.end();
      else stream.emit('error', toServiceError(error));
    }
    this.#streams.clear();
  }

  of<Request>(name: CallName): Request[] {
    return this.calls.filter((call) => call.name === name).map(({ request }) => request as Request);
  }

  get completions(): ReportCompletionRequest[] {
    return this.of('reportCompletion');
  }

  get failures(): ReportFailureRequest[] {
    return this.of('reportFailure');
  }

  get heartbeats(): SendHeartbeatRequest[] {
    return this.of('sendHeartbeat');
  }

  /** Resolves once `condition` holds, looked at after each call; rejects after `timeoutMs`. */
  async until(condition: () => boolean, what: string, timeoutMs = 8_000): Promise<void> {
    const endMs = Date.now() + timeoutMs;
    while (!condition()) {
      if (Date.now() > endMs) throw new Error(`timed out waiting until ${what}`);
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          this.#watchers.delete(finish);
          resolve();
        };
        const timer = setTimeout(finish, 10);
        this.#watchers.add(finish);
      });
    }
  }

  #saw(name: CallName, request: unknown, metadata: Metadata): Refusal {
    this.calls.push({ name, request, metadata });
    const refusal = this.refuse(name, request);
    for (const watcher of [...this.#watchers]) setImmediate(watcher);
    return refusal;
  }

  #unary<Request, Response>(name: CallName, answer: (request: Request) => Response) {
    return (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): void => {
      const refusal = this.#saw(name, call.request, call.metadata);
      if (refusal === 'hang') return;
      if (refusal === undefined) done(null, answer(call.request));
      else done(refusal instanceof ZkraftError ? toServiceError(refusal) : refusal);
    };
  }

  #receiveTasks(call: ServerWritableStream<unknown, Buffer>): void {
    const refusal = this.#saw('receiveTasks', call.request, call.metadata);
    if (refusal instanceof Error) {
      call.emit('error', toServiceError(refusal));
      return;
    }
    this.#streams.add(call);
    call.on('cancelled', () => this.#streams.delete(call));
  }

  async #fetchArtifact(call: ServerWritableStream<FetchArtifactRequest, Buffer>): Promise<void> {
    const refusal = this.#saw('fetchArtifact', call.request, call.metadata);
    const digest = toHex(call.request.digest);
    const blob = this.blobs.get(digest);
    if (refusal instanceof Error || blob === undefined) {
      call.emit('error', toServiceError(refusal instanceof Error ? refusal : notFound(digest)));
      return;
    }
    for (let at = Number(call.request.offset); at < blob.length; at += this.chunkBytes) {
      const chunk = this.onChunk(blob.slice(at, at + this.chunkBytes), at, digest);
      if (chunk === 'cut') {
        call.emit('error', { code: status.UNAVAILABLE, details: 'cut', metadata: new Metadata() });
        return;
      }
      call.write(Buffer.from(FetchArtifactResponse.encode({ totalBytes: BigInt(blob.length), chunk }).finish()));
      await new Promise((resolve) => setImmediate(resolve));
    }
    call.end();
  }
}

const notFound = (digest: string): ZkraftError =>
  new ZkraftError('artifact_not_found', `no blob has the digest ${digest}`);

export const notLeader = (leaderGrpcAddress?: string): RemoteError =>
  new RemoteError('not_leader', 'this coordinator does not lead', {
    ...(leaderGrpcAddress === undefined ? {} : { leaderId: 'leader', leaderGrpcAddress }),
  });
