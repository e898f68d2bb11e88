/**
 * The RPCs of admin.proto: what operators see of workers and do to them.
 *
 * A change goes through the log like any other, so it outlives leaders and registrations; the answer is the worker as
 * it is after the entry was applied. Served by the leader alone.
 */
import type { handleUnaryCall, Metadata, ServerUnaryCall } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../../common/index.ts';
import { type AdminServiceServer, RemoteError, toServiceError, type WorkerInfo } from '../../common/rpc/index.ts';
import type { Replica } from '../replica.ts';
import type { SchedulingPolicy, WorkerWatch } from '../scheduler/index.ts';
import { CONDUCT_MAX, isLive, loadOf } from '../state/index.ts';
import { checkWorkerId } from './requests.ts';

/** What of the leader an operator sees. */
export interface AdminFace {
  readonly replica: Replica;
  readonly watch: WorkerWatch;
  readonly policy: Pick<SchedulingPolicy, 'refusesVersion'>;
}

export interface AdminServiceOptions {
  /** Undefined while this node does not lead. */
  readonly leader: () => AdminFace | undefined;
  /** Undefined until the log is open. */
  readonly replica: () => Replica | undefined;
  /** Throws unless the caller is an operator. */
  readonly authenticate: (metadata: Metadata, peer: string) => void;
  readonly logger: Logger;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

const PAGE_MAX = 1_000;

interface OfOneWorker {
  readonly workerId: string;
}

export function createAdminService(options: AdminServiceOptions): AdminServiceServer {
  const { logger, now } = options;

  function requireLeader(): AdminFace {
    const leader = options.leader();
    if (leader !== undefined) return leader;
    const status = options.replica()?.status();
    const named = status?.state === 'Leader' ? undefined : status;
    throw new RemoteError('not_leader', 'this coordinator does not lead; ask the one that does', {
      ...(named?.leaderId === undefined ? {} : { leaderId: named.leaderId }),
      ...(named?.leaderAddress === undefined ? {} : { leaderGrpcAddress: named.leaderAddress }),
    });
  }

  function unary<Request, Response>(
    method: string,
    handle: (leader: AdminFace, request: Request, peer: string) => Response | Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    return (call: ServerUnaryCall<Request, Response>, callback) => {
      const answer = async () => {
        options.authenticate(call.metadata, call.getPeer());
        return handle(requireLeader(), call.request, call.getPeer());
      };
      answer().then(
        (response) => callback(null, response),
        (thrown: unknown) => {
          const error = ZkraftError.from(thrown);
          if (error.code === 'internal') logger.error({ err: thrown, method }, 'admin call failed');
          else logger.info({ method, code: error.code, peer: call.getPeer() }, 'admin call refused');
          callback(toServiceError(thrown));
        },
      );
    };
  }

  const change = (method: string, to: 'drained' | 'quarantined' | 'released') =>
    unary(method, async (leader, { workerId }: OfOneWorker, peer) => {
      const { state } = leader.replica;
      checkWorkerId(workerId);
      // A name can be kept out before it ever registers; nothing else is done to workers that nobody knows.
      if (to !== 'quarantined') describe(leader, workerId);
      else if (!state.conduct.has(workerId) && state.conduct.size >= CONDUCT_MAX) {
        throw new ZkraftError('overloaded', `${CONDUCT_MAX} workers have a record; release some of them first`);
      }
      const before = state.workers.has(workerId) || to === 'quarantined' ? undefined : describe(leader, workerId);
      await leader.replica.propose({ kind: 'worker_state', workerId, to });
      logger.warn({ worker_id: workerId, to, peer }, 'an operator changed a worker');
      const worker = infoOf(leader, workerId) ?? { ...(before ?? describe(leader, workerId)), ...NOTHING_AGAINST };
      return { worker };
    });

  function describe(leader: AdminFace, workerId: string): WorkerInfo {
    const info = infoOf(leader, workerId);
    if (info !== undefined) return info;
    throw new ZkraftError('worker_not_found', `no worker ${workerId} is registered; zkraft workers ls names them`, {
      field: 'worker_id',
    });
  }

  function infoOf({ replica, watch, policy }: AdminFace, workerId: string): WorkerInfo | undefined {
    const { state } = replica;
    const worker = state.workers.get(workerId);
    const conduct = state.conduct.get(workerId);
    if (worker === undefined && conduct === undefined) return undefined;
    const drained = conduct?.drained ?? false;
    const quarantined = conduct?.quarantined ?? false;
    const stopping = worker?.draining ?? false;
    const version = worker === undefined ? undefined : policy.refusesVersion(worker.softwareVersion);
    const reasons = [
      ...(quarantined ? ['quarantined'] : []),
      ...(drained ? ['drained'] : []),
      ...(stopping ? ['stopping'] : []),
      ...(version === undefined ? [] : [version]),
    ];
    return {
      workerId,
      registered: worker !== undefined,
      liveness: worker === undefined ? '' : watch.liveness(workerId, now()),
      slots: worker?.slots ?? 0,
      used: loadOf(state, workerId),
      softwareVersion: worker?.softwareVersion ?? '',
      backends: [...(worker?.backends ?? [])],
      host: worker?.host ?? '',
      sessionId: BigInt(worker?.sessionId ?? 0),
      stopping,
      drained,
      quarantined,
      badProofs: conduct?.badProofs ?? 0,
      refusedBecause: reasons.join('; '),
      leases: [],
      cachedCircuits: worker?.cachedCircuits.length ?? 0,
    };
  }

  return {
    listWorkers: unary(
      'ListWorkers',
      (leader, { pageSize, afterWorkerId }: { pageSize: number; afterWorkerId: string }) => {
        const { state } = leader.replica;
        const ids = [...new Set([...state.workers.keys(), ...state.conduct.keys()])].filter((id) => id > afterWorkerId);
        const page = ids.sort().slice(0, Math.min(pageSize || PAGE_MAX, PAGE_MAX));
        return { workers: page.flatMap((id) => infoOf(leader, id) ?? []) };
      },
    ),
    getWorker: unary('GetWorker', (leader, { workerId }: OfOneWorker) => {
      const worker = describe(leader, checkWorkerId(workerId));
      const { state } = leader.replica;
      const tasks = [...(state.leases.get(workerId) ?? [])].flatMap((id) => state.tasks.get(id) ?? []).filter(isLive);
      const leases = tasks.map((task) => ({
        taskId: task.spec.id,
        requestId: task.spec.requestId,
        attempt: task.attempt,
        epoch: BigInt(task.epoch ?? 0),
        started: task.phase === 'in_progress',
      }));
      return { worker: { ...worker, leases } };
    }),
    drainWorker: change('DrainWorker', 'drained'),
    quarantineWorker: change('QuarantineWorker', 'quarantined'),
    releaseWorker: change('ReleaseWorker', 'released'),
  };
}

/** Of a worker that was known by its record alone, once that is gone. */
const NOTHING_AGAINST = { drained: false, quarantined: false, badProofs: 0, refusedBecause: '' } as const;
