/**
 * The worker's tie to the coordinators: finds the leader, registers, keeps the stream open, sends heartbeats, and
 * begins again whenever any of that ends, for ever.
 *
 * Promises: one connection at a time; heartbeats go by a timer of their own and never wait for proofs or reports;
 * back-off grows until a heartbeat has been acknowledged, so a coordinator that accepts and hangs up is not called in
 * a hot loop; a message of an older term than one seen from the same cluster is ignored, and so is a leader of one.
 * What surprises: a heartbeat that fails is sent again at once, and only the second failure ends the connection,
 * because a deposed or paused leader often keeps its sockets open.
 */
import type { ChannelCredentials } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../common/index.ts';
import {
  type Backend,
  type CircuitRef,
  type Lease,
  type ReceiveTasksResponse,
  type RegisterWorkerResponse,
  RemoteError,
  type TaskAssignment,
  type TaskCancellation,
} from '../common/rpc/index.ts';
import { AddressBook, type Pace } from './addresses.ts';
import { type Backoff, type BackoffOptions, createBackoff } from './backoff.ts';
import { type Clock, sleep } from './clock.ts';
import { Connection } from './connection.ts';

/** What the link asks of, and tells, the agent. */
export interface LinkHost {
  heldLeases(): Lease[];
  cachedCircuits(): CircuitRef[];
  /** `asked` are the leases that the registration named, `keep` those that are still live. */
  onRegistered(asked: readonly Lease[], keep: readonly Lease[]): void;
  onAssignment(assignment: TaskAssignment, connection: Connection): void;
  onCancellation(cancellation: TaskCancellation): void;
  onDrop(leases: readonly Lease[]): void;
  onReconnect(): void;
  onHeartbeat(lagMs: number, acknowledged: boolean): void;
}

export interface LinkOptions {
  readonly workerId: string;
  readonly addresses: readonly string[];
  readonly slots: number;
  readonly backends: Backend[];
  readonly softwareVersion: string;
  readonly hostName: string;
  readonly heartbeatIntervalMs: number;
  /** Give up after so many failed registrations in a row; 0: never. */
  readonly registerRetries: number;
  readonly backoff: BackoffOptions;
  readonly workerToken: string | undefined;
  readonly workerKey: string;
  readonly credentials: ChannelCredentials | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/** The worker itself is misconfigured: trying again cannot help. Only believed before the first registration. */
const HOPELESS = new Set(['invalid_worker_id', 'unauthenticated', 'forbidden']);
const HEARTBEAT_MS_MIN = 20;
const HEARTBEAT_MS_MAX = 60_000;
const HEARTBEAT_DEADLINE_MS_MIN = 500;
const HEARTBEAT_DEADLINE_MS_MAX = 5_000;

export class Link {
  readonly #options: LinkOptions;
  readonly #host: LinkHost;
  readonly #book: AddressBook;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<() => void>();
  #connection: Connection | undefined;
  #everRegistered = false;
  /** Of the attempt that is under way: it was registered; a heartbeat of it was acknowledged. */
  #registered = false;
  #settled = false;
  #draining = false;
  #failures = 0;
  #term = 0n;
  #clusterId = '';
  #beatNow: () => void = () => undefined;

  constructor(options: LinkOptions, host: LinkHost) {
    this.#options = options;
    this.#host = host;
    this.#book = new AddressBook(options.addresses);
    this.#backoff = createBackoff(options.backoff, options.random);
  }

  /** The registered connection with its stream open, if there is one now. */
  get current(): Connection | undefined {
    return this.#connection;
  }

  get term(): bigint {
    return this.#term;
  }

  /** Waits for a registered connection. Rejects with the reason of `signal`, or `shutting_down` once closed. */
  async connected(signal?: AbortSignal): Promise<Connection> {
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      if (this.#stop.signal.aborted) throw new ZkraftError('shutting_down', 'the worker is stopping');
      if (this.#connection !== undefined) return this.#connection;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** From now on heartbeats say so, the first of them at once. */
  drain(): void {
    this.#draining = true;
    this.#beatNow();
  }

  close(): void {
    this.#stop.abort();
    this.#connection?.end(new RemoteError('shutting_down', 'the worker is stopping'));
    this.#wake();
  }

  /** Runs until `close`. Rejects when registration is hopeless or was refused as often as is allowed. */
  async run(): Promise<void> {
    const { clock, logger } = this.#options;
    while (!this.#stop.signal.aborted) {
      const address = this.#book.current;
      this.#registered = false;
      this.#settled = false;
      const error = await this.#attempt(address);
      if (this.#stop.signal.aborted) return;
      if (this.#registered) this.#host.onReconnect();
      else this.#failures += 1;
      const pace = this.#pace(error, this.#settled);
      const waitMs = pace === 'now' ? 0 : this.#backoff.nextMs();
      logger.warn({ coordinator: address, code: error.code, retry_in_ms: Math.round(waitMs) }, error.message);
      this.#giveUpIfHopeless(error);
      await sleep(clock, waitMs, this.#stop.signal);
    }
  }

  #pace(error: RemoteError, settled: boolean): Pace {
    // A session that worked has just ended: begin with the same address, or with the leader that it named.
    if (error.code === 'not_leader') return this.#book.redirected(error.leaderGrpcAddress);
    // Not one that went silent, though: it may be paused, and would cost a whole deadline again.
    if (settled && error.code !== 'worker_quarantined' && error.code !== 'request_timeout') return 'now';
    return this.#book.failed();
  }

  #giveUpIfHopeless(error: RemoteError): void {
    const { registerRetries } = this.#options;
    if (!this.#everRegistered && HOPELESS.has(error.code)) throw error;
    if (registerRetries > 0 && this.#failures >= registerRetries) {
      throw new ZkraftError(
        'coordinator_unavailable',
        `gave up after ${this.#failures} failed registrations in a row (worker.register_retries); the last: ${error.message}`,
        { cause: error, field: 'worker.coordinator_address' },
      );
    }
  }

  /** One connection, from its first call to its end; resolves with why it ended. */
  async #attempt(address: string): Promise<RemoteError> {
    const { workerId, workerToken, workerKey, credentials } = this.#options;
    const connection = new Connection({ address, workerId, workerToken, workerKey, credentials });
    const stop = (): void => connection.end(new RemoteError('shutting_down', 'the worker is stopping'));
    this.#stop.signal.addEventListener('abort', stop, { once: true });
    let stopHeartbeats: () => void = () => undefined;
    try {
      const intervalMs = await this.#register(connection);
      connection.receiveTasks((message) => this.#onMessage(message, connection));
      stopHeartbeats = this.#startHeartbeats(connection, intervalMs);
      this.#connection = connection;
      this.#wake();
      return await connection.ended;
    } catch (thrown) {
      return thrown instanceof RemoteError ? thrown : new RemoteError('internal', String(thrown), { cause: thrown });
    } finally {
      stopHeartbeats();
      this.#connection = undefined;
      this.#stop.signal.removeEventListener('abort', stop);
      connection.end(new RemoteError('coordinator_unavailable', 'the connection is over'));
    }
  }

  /** Registers and returns the heartbeat interval to keep. */
  async #register(connection: Connection): Promise<number> {
    const { workerId, softwareVersion, slots, backends, hostName, logger } = this.#options;
    const asked = this.#host.heldLeases();
    const answer = await connection.register({
      workerId,
      softwareVersion,
      slots,
      backends,
      cachedCircuits: this.#host.cachedCircuits(),
      heldLeases: asked,
      host: hostName,
    });
    this.#enterTerm(answer);
    connection.sessionId = answer.sessionId;
    this.#failures = 0;
    this.#registered = true;
    this.#everRegistered = true;
    logger.info(
      { coordinator: connection.address, term: String(answer.term), held: asked.length, kept: answer.keep.length },
      'registered',
    );
    if (answer.notice !== '') logger.warn(`the coordinator gives this worker no tasks: ${answer.notice.slice(0, 300)}`);
    this.#host.onRegistered(asked, answer.keep);
    const toldMs = Number(answer.heartbeatIntervalMs);
    const intervalMs = toldMs > 0 ? toldMs : this.#options.heartbeatIntervalMs;
    return Math.min(HEARTBEAT_MS_MAX, Math.max(HEARTBEAT_MS_MIN, intervalMs));
  }

  #enterTerm(answer: RegisterWorkerResponse): void {
    if (answer.clusterId !== this.#clusterId) {
      // Terms of different clusters cannot be compared.
      this.#clusterId = answer.clusterId;
      this.#term = answer.term;
      return;
    }
    if (answer.term < this.#term) {
      throw new RemoteError('not_leader', `answered for term ${answer.term}, but ${this.#term} has begun`);
    }
    this.#term = answer.term;
  }

  #isStale(term: bigint): boolean {
    if (term < this.#term) {
      this.#options.logger.warn({ term: String(term), seen: String(this.#term) }, 'ignored a message of an older term');
      return true;
    }
    this.#term = term;
    return false;
  }

  #onMessage({ term, event }: ReceiveTasksResponse, connection: Connection): void {
    if (connection.isOver || this.#isStale(term)) return;
    if (event?.$case === 'assignment') this.#host.onAssignment(event.value, connection);
    else if (event?.$case === 'cancellation') this.#host.onCancellation(event.value);
    else this.#options.logger.warn('ignored a stream message of a kind that this version does not know');
  }

  /** Begins the beats of this connection; returns the way to end them. */
  #startHeartbeats(connection: Connection, intervalMs: number): () => void {
    const { clock } = this.#options;
    let cancel: () => void = () => undefined;
    let beating = false;
    const beat = async (lagMs: number): Promise<void> => {
      // One at a time: while the coordinator is slow, more of them would only make it slower.
      if (beating) return;
      beating = true;
      await this.#beat(connection, intervalMs, lagMs);
      beating = false;
    };
    const schedule = (): void => {
      const dueMs = clock.nowMs() + intervalMs;
      cancel = clock.after(intervalMs, () => {
        schedule();
        void beat(clock.nowMs() - dueMs);
      });
    };
    // Not held back by a beat under way, which may have been sent before there was something to say.
    this.#beatNow = () => void this.#beat(connection, intervalMs, 0);
    schedule();
    return () => {
      this.#beatNow = () => undefined;
      cancel();
    };
  }

  /** Sends one heartbeat, and again at once if it fails. The second failure ends the connection. */
  async #beat(connection: Connection, intervalMs: number, lagMs: number): Promise<void> {
    const deadlineMs = Math.min(HEARTBEAT_DEADLINE_MS_MAX, Math.max(intervalMs, HEARTBEAT_DEADLINE_MS_MIN));
    for (let tries = 1; !connection.isOver; tries += 1) {
      try {
        const { term, drop } = await connection.heartbeat(this.#host.heldLeases(), this.#draining, deadlineMs);
        this.#host.onHeartbeat(lagMs, true);
        if (connection.isOver || this.#isStale(term)) return;
        this.#settled = true;
        this.#book.settled();
        this.#backoff.reset();
        if (drop.length > 0) this.#host.onDrop(drop);
        return;
      } catch (thrown) {
        this.#host.onHeartbeat(lagMs, false);
        if (tries < 2) continue;
        connection.end(thrown instanceof RemoteError ? thrown : new RemoteError('internal', String(thrown)));
        return;
      }
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake();
  }
}
