/**
 * One gRPC connection to one coordinator, from the first call until it is over.
 *
 * It is over once: when its task stream ends, when a call is answered with `not_leader` or `unknown_worker`, or when
 * its owner says so. From then on every call that is under way is cancelled and every new one refused, so that nobody
 * waits for an answer that cannot come. What surprises: grpc-js shares sockets between clients of one address unless
 * told not to; here each connection has its own, so that what one learned of a dead peer does not outlive it. Proxies
 * of the environment are not used: a cluster's inner traffic is not for them.
 */
import {
  type CallOptions,
  ChannelCredentials,
  type ClientReadableStream,
  type ClientUnaryCall,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { fromHex } from '../common/index.ts';
import {
  CoordinatorServiceClient,
  type FetchArtifactResponse,
  fromServiceError,
  type Lease,
  type ReceiveTasksResponse,
  type RegisterWorkerRequest,
  type RegisterWorkerResponse,
  RemoteError,
  type ReportCompletionRequest,
  type ReportFailureRequest,
  type SendHeartbeatResponse,
  WORKER_KEY_HEADER,
} from '../common/rpc/index.ts';

/** Registration waits for a commit; a silent coordinator must not hold a worker for longer than a failover takes. */
const REGISTER_MS = 5_000;
/** A report waits for verification and a commit. */
const REPORT_MS = 30_000;
const NOTICE_MS = 5_000;
/** An artifact may take long, but not without end; a broken one is resumed. */
const FETCH_MS = 10 * 60_000;
/** An assignment is at most 32 KB of leaves, an artifact chunk 256 KiB. */
const MESSAGE_BYTES_MAX = 1024 * 1024;

/** Answers after which this connection is of no use: the leader is elsewhere, or does not know the session. */
const ENDING = new Set(['not_leader', 'unknown_worker']);

type Done<Response> = (error: ServiceError | null, response: Response) => void;
type Start<Response> = (metadata: Metadata, options: Partial<CallOptions>, done: Done<Response>) => ClientUnaryCall;

export interface ConnectionOptions {
  readonly address: string;
  readonly workerId: string;
  readonly workerToken: string | undefined;
  /** 64 hex digits; see worker-key.ts. */
  readonly workerKey: string;
  readonly credentials: ChannelCredentials | undefined;
}

export class Connection {
  readonly address: string;
  /** Resolves, once, with why the connection is over. */
  readonly ended: Promise<RemoteError>;
  /** Set by whoever registered. */
  sessionId = 0n;
  readonly #workerId: string;
  readonly #token: string | undefined;
  readonly #key: string;
  readonly #client: CoordinatorServiceClient;
  readonly #cancels = new Set<() => void>();
  #over: RemoteError | undefined;
  #resolveEnded: (error: RemoteError) => void = () => undefined;

  constructor(options: ConnectionOptions) {
    this.address = options.address;
    this.#workerId = options.workerId;
    this.#token = options.workerToken;
    this.#key = options.workerKey;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#client = new CoordinatorServiceClient(
      options.address,
      options.credentials ?? ChannelCredentials.createInsecure(),
      {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_http_proxy': 0,
        'grpc.service_config_disable_resolution': 1,
        'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      },
    );
  }

  /** Ends the connection; later reasons are ignored. */
  end(reason: RemoteError): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    for (const cancel of [...this.#cancels]) cancel();
    this.#cancels.clear();
    this.#client.close();
    this.#resolveEnded(reason);
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  register(request: RegisterWorkerRequest): Promise<RegisterWorkerResponse> {
    return this.#unary((m, o, done) => this.#client.registerWorker(request, m, o, done), REGISTER_MS);
  }

  heartbeat(heldLeases: Lease[], draining: boolean, deadlineMs: number): Promise<SendHeartbeatResponse> {
    const request = { workerId: this.#workerId, sessionId: this.sessionId, heldLeases, draining };
    return this.#unary((m, o, done) => this.#client.sendHeartbeat(request, m, o, done), deadlineMs);
  }

  async acknowledge(lease: Lease, requestId: string): Promise<void> {
    const request = { lease, sessionId: this.sessionId };
    await this.#unary((m, o, done) => this.#client.acknowledgeTask(request, m, o, done), NOTICE_MS, requestId);
  }

  async start(lease: Lease, requestId: string): Promise<void> {
    const request = { lease, sessionId: this.sessionId };
    await this.#unary((m, o, done) => this.#client.startTask(request, m, o, done), NOTICE_MS, requestId);
  }

  async reportCompletion(report: Omit<ReportCompletionRequest, 'sessionId'>, requestId: string): Promise<void> {
    const request = { ...report, sessionId: this.sessionId };
    await this.#unary((m, o, done) => this.#client.reportCompletion(request, m, o, done), REPORT_MS, requestId);
  }

  async reportFailure(report: Omit<ReportFailureRequest, 'sessionId'>, requestId: string): Promise<void> {
    const request = { ...report, sessionId: this.sessionId };
    await this.#unary((m, o, done) => this.#client.reportFailure(request, m, o, done), REPORT_MS, requestId);
  }

  /** Opens the task stream. When it ends, for whatever reason, the connection ends. */
  receiveTasks(onMessage: (message: ReceiveTasksResponse) => void): void {
    const stream = this.#client.receiveTasks(
      { workerId: this.#workerId, sessionId: this.sessionId },
      this.#metadata(undefined),
    );
    this.#track(stream);
    stream.on('data', onMessage);
    stream.on('error', (error) => this.end(fromServiceError(error)));
    stream.on('end', () => this.end(new RemoteError('coordinator_unavailable', 'the coordinator ended the stream')));
  }

  /** Chunks of the blob from `offset` on. Throws RemoteError when the stream breaks. */
  async *fetchArtifact(digestHex: string, offset: number): AsyncGenerator<FetchArtifactResponse> {
    if (this.#over !== undefined) throw this.#over;
    const stream = this.#client.fetchArtifact(
      { workerId: this.#workerId, digest: fromHex(digestHex), offset: BigInt(offset) },
      this.#metadata(undefined),
      { deadline: Date.now() + FETCH_MS },
    );
    const untrack = this.#track(stream);
    try {
      for await (const message of stream) yield message as FetchArtifactResponse;
    } catch (error) {
      throw this.#judged(error);
    } finally {
      untrack();
      stream.cancel();
    }
  }

  #track(stream: ClientReadableStream<unknown>): () => void {
    const cancel = (): void => stream.cancel();
    this.#cancels.add(cancel);
    return () => this.#cancels.delete(cancel);
  }

  #unary<Response>(start: Start<Response>, deadlineMs: number, requestId?: string): Promise<Response> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => {
      const call = start(this.#metadata(requestId), { deadline: Date.now() + deadlineMs }, (error, response) => {
        this.#cancels.delete(cancel);
        if (error === null) resolve(response);
        else reject(this.#judged(error));
      });
      const cancel = (): void => call.cancel();
      this.#cancels.add(cancel);
    });
  }

  #judged(thrown: unknown): RemoteError {
    const error = fromServiceError(thrown);
    if (ENDING.has(error.code)) this.end(error);
    return error;
  }

  #metadata(requestId: string | undefined): Metadata {
    const metadata = new Metadata();
    metadata.set(WORKER_KEY_HEADER, this.#key);
    if (this.#token !== undefined && this.#token !== '') metadata.set('authorization', `Bearer ${this.#token}`);
    if (requestId !== undefined && requestId !== '') metadata.set('x-request-id', requestId);
    return metadata;
  }
}
