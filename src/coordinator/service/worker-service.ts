/**
 * The RPCs of worker.proto, one function each, behind one gate: token, leadership, limits, errors, counts.
 *
 * Handlers are served by the leader alone. A session is the index of the registration; calls of an older one are
 * told to register again, except reports about a lease, whose right is the lease itself, in the hands of the worker
 * that it was given to. A call in the name of a worker that registered with a key must show that key.
 */
import type { handleUnaryCall, Metadata, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../../common/index.ts';
import {
  type CoordinatorServiceServer,
  type Lease,
  type ReceiveTasksRequest,
  type ReceiveTasksResponse,
  type RegisterWorkerRequest,
  type RegisterWorkerResponse,
  RemoteError,
  type ReportCompletionRequest,
  type ReportFailureRequest,
  type SendHeartbeatRequest,
  type SendHeartbeatResponse,
  toServiceError,
} from '../../common/rpc/index.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { Replica } from '../replica.ts';
import type { Deliveries, Driver, LeaseTable, SchedulingPolicy, WorkerWatch } from '../scheduler/index.ts';
import { isQuarantined, type LeaseRef, mayAct, taskUnder, type Worker } from '../state/index.ts';
import type { ArtifactCall, ArtifactSender } from './artifact-sender.ts';
import { requireOwnName, type ShownCertificate } from './certificate-name.ts';
import type { Reports } from './reports.ts';
import { checkCount, checkLease, checkLeases, checkRegistration, checkWorkerId } from './requests.ts';
import type { TaskStreams } from './task-streams.ts';
import { workerKeyHash } from './worker-auth.ts';

/** What exists only while this node leads. */
export interface LeaderFace {
  readonly replica: Replica;
  readonly watch: WorkerWatch;
  readonly leases: LeaseTable;
  readonly deliveries: Deliveries;
  readonly driver: Driver;
  readonly policy: Pick<SchedulingPolicy, 'refusesVersion'>;
  readonly reports: Reports;
  readonly refusal: ZkraftError | undefined;
}

export interface WorkerServiceOptions {
  /** Undefined until the log is open: the port is bound before. */
  readonly replica: () => Replica | undefined;
  readonly streams: TaskStreams;
  readonly artifacts: ArtifactSender;
  /** Undefined while this node does not lead. */
  readonly leader: () => LeaderFace | undefined;
  readonly authenticate: (metadata: Metadata) => void;
  readonly heartbeatIntervalMs: number;
  readonly metrics: CoordinatorMetrics;
  readonly logger: Logger;
  readonly now: () => number;
  readonly isClosing: () => boolean;
}

/** More would be a mistake or an attack; each costs a place in every snapshot. */
const WORKERS_MAX = 10_000;

const toWire = (lease: LeaseRef): Lease => ({ ...lease, epoch: BigInt(lease.epoch) });

export function createWorkerService(options: WorkerServiceOptions): CoordinatorServiceServer {
  const { streams, artifacts, metrics, logger, now } = options;

  function requireLeader(metadata: Metadata): LeaderFace {
    options.authenticate(metadata);
    if (options.isClosing())
      throw new ZkraftError('shutting_down', 'this coordinator is stopping; find the next leader');
    const status = options.replica()?.status();
    const leader = options.leader();
    if (leader === undefined || status?.state !== 'Leader') {
      // A node that leads but is not ready yet names nobody: following it back here would be a circle.
      const named = status?.state === 'Leader' ? undefined : status;
      throw new RemoteError('not_leader', 'this coordinator does not lead', {
        ...(named?.leaderId === undefined ? {} : { leaderId: named.leaderId }),
        ...(named?.leaderAddress === undefined ? {} : { leaderGrpcAddress: named.leaderAddress }),
      });
    }
    if (leader.refusal !== undefined) throw refusedForNow(leader.refusal);
    return leader;
  }

  function requireSession({ replica }: LeaderFace, workerId: string, sessionId: bigint, keyHash: string): Worker {
    const worker = replica.state.workers.get(checkWorkerId(workerId));
    requireKey(worker, keyHash);
    if (worker === undefined || worker.sessionId !== checkCount(sessionId, 'session_id')) {
      throw new ZkraftError('unknown_worker', `worker ${workerId} is not registered in this session; register again`);
    }
    requireGoodConduct(replica, workerId);
    return worker;
  }

  function requireKey(worker: Worker | undefined, keyHash: string): void {
    if (worker === undefined || mayAct(worker, keyHash)) return;
    throw taken(worker.id);
  }

  function requireGoodConduct(replica: Replica, workerId: string): void {
    if (!isQuarantined(replica.state, workerId)) return;
    throw new ZkraftError('worker_quarantined', `worker ${workerId} is quarantined; an operator must release it`);
  }

  /** Logs and counts a refusal, and makes it what grpc-js sends. */
  function refusal(method: string, thrown: unknown): ReturnType<typeof toServiceError> {
    const error = ZkraftError.from(thrown);
    metrics.add('coordinator_rpc_total', { method, code: error.code });
    if (error.code === 'internal') logger.error({ err: thrown, method }, 'call failed');
    else logger.debug({ method, code: error.code, reason: error.message }, 'call refused');
    return toServiceError(thrown);
  }

  /** `whose`: the worker in whose name the call is made. */
  function unary<Request, Response>(
    method: string,
    whose: (request: Request) => string | undefined,
    handle: (leader: LeaderFace, request: Request, keyHash: string) => Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    return (call: ServerUnaryCall<Request, Response>, callback) => {
      const answer = async () => {
        const leader = requireLeader(call.metadata);
        requireOwnName(call.getAuthContext() as ShownCertificate, whose(call.request));
        return await handle(leader, call.request, workerKeyHash(call.metadata));
      };
      answer().then(
        (response) => {
          metrics.add('coordinator_rpc_total', { method, code: 'ok' });
          callback(null, response);
        },
        (thrown: unknown) => callback(refusal(method, thrown)),
      );
    };
  }

  async function register(
    leader: LeaderFace,
    request: RegisterWorkerRequest,
    keyHash: string,
  ): Promise<RegisterWorkerResponse> {
    const { replica } = leader;
    const command = checkRegistration(request, keyHash);
    const { id } = command.worker;
    requireGoodConduct(replica, id);
    requireKey(replica.state.workers.get(id), keyHash);
    if (replica.state.workers.size >= WORKERS_MAX && !replica.state.workers.has(id)) {
      throw new ZkraftError('overloaded', `${WORKERS_MAX} workers are registered; no more are taken`);
    }
    const { index, events } = await replica.propose(command);
    const [event] = events;
    // Somebody else was quicker.
    if (event?.kind === 'worker_refused') throw taken(id);
    const kept = event?.kind === 'worker_added' ? event.kept : [];
    for (const lease of kept) leader.leases.held(lease, now());
    const { term, clusterId } = replica.status();
    return {
      sessionId: BigInt(index),
      term: BigInt(term),
      heartbeatIntervalMs: BigInt(options.heartbeatIntervalMs),
      clusterId,
      keep: kept.map(toWire),
      notice: noticeFor(leader, command.worker),
    };
  }

  /** Why the worker will wait in vain, if so. */
  function noticeFor({ replica, policy }: LeaderFace, worker: { id: string; softwareVersion: string }): string {
    const version = policy.refusesVersion(worker.softwareVersion);
    if (version !== undefined) return version;
    return replica.state.conduct.get(worker.id)?.drained === true ? 'drained by an operator' : '';
  }

  async function heartbeat(
    leader: LeaderFace,
    request: SendHeartbeatRequest,
    keyHash: string,
  ): Promise<SendHeartbeatResponse> {
    const { replica } = leader;
    const worker = requireSession(leader, request.workerId, request.sessionId, keyHash);
    const held = checkLeases(request.heldLeases, worker.id);
    leader.watch.seen(worker.id, now());
    const drop: LeaseRef[] = [];
    for (const lease of held) {
      if (taskUnder(replica.state, lease) === undefined) drop.push(lease);
      else leader.leases.held(lease, now());
    }
    if (request.draining !== worker.draining) {
      const to = request.draining ? 'draining' : 'active';
      await replica.propose({ kind: 'worker_state', workerId: worker.id, to });
      leader.driver.wake();
    }
    // A worker throws away what it is told to drop, so the log must say that we still lead.
    if (drop.length > 0) await replica.log.readIndex();
    return { term: BigInt(replica.status().term), drop: drop.map(toWire) };
  }

  function receiveTasks(call: ServerWritableStream<ReceiveTasksRequest, ReceiveTasksResponse>): void {
    // A client that goes away is no fault; without a listener it would end the process.
    call.on('error', () => {});
    try {
      const leader = requireLeader(call.metadata);
      const { workerId, sessionId } = call.request;
      requireOwnName(call.getAuthContext() as ShownCertificate, workerId);
      const worker = requireSession(leader, workerId, sessionId, workerKeyHash(call.metadata));
      leader.watch.seen(worker.id, now());
      streams.open(worker.id, worker.sessionId, call);
      metrics.add('coordinator_rpc_total', { method: 'ReceiveTasks', code: 'ok' });
      logger.info({ worker_id: worker.id, session: worker.sessionId }, 'task stream opened');
      for (const lease of leader.leases.undelivered(worker.id)) leader.deliveries.send(lease);
      leader.driver.wake();
    } catch (thrown) {
      call.emit('error', refusal('ReceiveTasks', thrown));
    }
  }

  function fetchArtifact(call: ArtifactCall): void {
    call.on('error', () => {});
    const send = async () => {
      const { replica } = requireLeader(call.metadata);
      requireOwnName(call.getAuthContext() as ShownCertificate, call.request.workerId);
      const worker = replica.state.workers.get(checkWorkerId(call.request.workerId));
      requireKey(worker, workerKeyHash(call.metadata));
      if (worker === undefined) {
        throw new ZkraftError('unknown_worker', `worker ${call.request.workerId} is not registered; register first`);
      }
      await artifacts.send(call);
      metrics.add('coordinator_rpc_total', { method: 'FetchArtifact', code: 'ok' });
    };
    send().catch((thrown: unknown) => call.emit('error', refusal('FetchArtifact', thrown)));
  }

  const itsOwn = (request: { readonly workerId: string }): string => request.workerId;
  const ofLease = (request: { lease: Lease | undefined }): string | undefined => request.lease?.workerId;
  return {
    registerWorker: unary('RegisterWorker', itsOwn, register),
    sendHeartbeat: unary('SendHeartbeat', itsOwn, heartbeat),
    receiveTasks,
    acknowledgeTask: unary('AcknowledgeTask', ofLease, async (leader, request, keyHash) => {
      await leader.reports.acknowledge(checkLease(request.lease), keyHash);
      return {};
    }),
    startTask: unary('StartTask', ofLease, async (leader, request, keyHash) => {
      await leader.reports.start(checkLease(request.lease), keyHash);
      return {};
    }),
    reportCompletion: unary('ReportCompletion', ofLease, async (leader, request: ReportCompletionRequest, keyHash) => {
      await leader.reports.complete(request, keyHash);
      return {};
    }),
    reportFailure: unary('ReportFailure', ofLease, async (leader, request: ReportFailureRequest, keyHash) => ({
      willRetry: await leader.reports.fail(request, keyHash),
    })),
    fetchArtifact,
  };
}

/** Nothing that a worker could mend, and no word about its lease: it keeps its proofs until the database is ours again. */
const refusedForNow = ({ code, message, field }: ZkraftError): RemoteError =>
  new RemoteError(code, message, { retryable: true, ...(field === undefined ? {} : { field }) });

const taken = (workerId: string): ZkraftError =>
  new ZkraftError(
    'worker_id_taken',
    `worker ${workerId} is registered, with another key; give this worker another worker.id, or wait until that one is gone`,
    { field: 'worker_id' },
  );
