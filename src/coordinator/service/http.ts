/**
 * The HTTP face for operators: /health (can it do its work), /ready (may it be sent work), /metrics, / and /livez.
 *
 * /health and /ready are not 200 when there is no leader or no database; a restart mends neither, so probes that
 * restart must ask /livez, which speaks of the process alone.
 */
import type { Registry } from 'prom-client';
import { createHttpServer, type HttpServer } from '../../common/http/index.ts';
import { type Logger, VERSION, ZkraftError } from '../../common/index.ts';
import type { LogStatus } from '../../raft/index.ts';
import type { StoreHealth } from '../../store/types.ts';

export interface WorkerCounts {
  readonly total: number;
  readonly active: number;
  readonly suspect: number;
  readonly dead: number;
}

export interface CoordinatorStatus {
  readonly coordinatorId: string;
  readonly raft: LogStatus;
  readonly workers: WorkerCounts;
  readonly capacity: { readonly total: number; readonly used: number };
  readonly scheduler: {
    readonly tasksAssigned: number;
    readonly assignmentsFailed: number;
    readonly pollCycles: number;
  };
  readonly outbox: number;
  /** Of the replicated state. */
  readonly stateVersion: number;
  /** Why this node must not lead, or why it is stopping. */
  readonly refusal: ZkraftError | undefined;
}

export interface StatusHttpOptions {
  readonly store: StoreHealth;
  /** Served at `metricsPath`, default /metrics, if given. */
  readonly registry?: Registry;
  readonly metricsPath?: string;
  readonly status: () => CoordinatorStatus;
  readonly logger: Logger;
}

const PING_MS = 2_000;
/** However many probes ask, the database is asked this often. */
const PING_AGAIN_MS = 500;

export function createStatusHttp(options: StatusHttpOptions): HttpServer {
  const { registry, logger, status, metricsPath } = options;
  const app = createHttpServer({
    logger,
    service: 'coordinator',
    bodyLimitBytes: 1_024,
    ...(registry === undefined ? {} : { registry }),
    ...(metricsPath === undefined ? {} : { metricsPath }),
  });
  const database = createPing(options.store);

  app.get('/', async () => ({ service: 'coordinator', version: VERSION, coordinator_id: status().coordinatorId }));

  app.get('/health', async (_request, reply) => {
    const now = status();
    const problems = await problemsOf(now, database);
    reply.code(problems.length === 0 ? 200 : 503);
    return {
      status: problems.length === 0 ? 'healthy' : 'unhealthy',
      ...(problems.length === 0 ? {} : { problems }),
      coordinator_id: now.coordinatorId,
      version: VERSION,
      raft: {
        state: now.raft.state,
        is_leader: now.raft.state === 'Leader',
        leader_address: now.raft.leaderAddress ?? '',
        node_id: now.raft.nodeId,
        term: now.raft.term,
        commit_index: now.raft.commitIndex,
        applied_index: now.raft.appliedIndex,
      },
      workers: now.workers,
      capacity: { ...now.capacity, available: Math.max(0, now.capacity.total - now.capacity.used) },
      scheduler: {
        tasks_assigned: now.scheduler.tasksAssigned,
        assignments_failed: now.scheduler.assignmentsFailed,
        poll_cycles: now.scheduler.pollCycles,
      },
      outbox: now.outbox,
      state_version: now.stateVersion,
    };
  });

  app.get('/ready', async (_request, reply) => {
    const problems = await problemsOf(status(), database);
    reply.code(problems.length === 0 ? 200 : 503);
    return { ready: problems.length === 0, ...(problems.length === 0 ? {} : { problems }) };
  });

  return app;
}

const NO_LEADER = 'the coordinators have no leader';
const NO_CLUSTER =
  'this coordinator is in no cluster yet: the first of coordinator.raft.peers begins one, with coordinator.raft.bootstrap, ' +
  'once a majority of them runs; if there is one already, its leader adds this coordinator when it is listed there, or by ' +
  'zkraft raft add-peer';

interface Problem {
  readonly code: string;
  readonly message: string;
}

async function problemsOf(now: CoordinatorStatus, database: () => Promise<Problem | undefined>): Promise<Problem[]> {
  const problems: Problem[] = [];
  if (now.raft.leaderId === undefined) {
    problems.push({ code: 'no_leader', message: now.raft.isWaiting === true ? NO_CLUSTER : NO_LEADER });
  }
  if (now.refusal !== undefined) problems.push({ code: now.refusal.code, message: now.refusal.message });
  const away = await database();
  if (away !== undefined) problems.push(away);
  return problems;
}

function createPing(store: StoreHealth): () => Promise<Problem | undefined> {
  let askedMs = Number.NEGATIVE_INFINITY;
  let answer: Promise<Problem | undefined> = Promise.resolve(undefined);
  const ping = async (): Promise<Problem | undefined> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new ZkraftError('database_unavailable', 'PostgreSQL did not answer')), PING_MS);
    });
    try {
      await Promise.race([store.ping(), late]);
      return undefined;
    } catch {
      // What exactly failed is for the log: it may name hosts and users.
      return { code: 'database_unavailable', message: 'PostgreSQL cannot be reached' };
    } finally {
      clearTimeout(timer);
    }
  };
  return () => {
    if (performance.now() - askedMs >= PING_AGAIN_MS) {
      askedMs = performance.now();
      answer = ping();
    }
    return answer;
  };
}
