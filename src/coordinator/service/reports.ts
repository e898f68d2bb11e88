/**
 * What workers report about leases: started, proved, failed.
 *
 * The lease alone is the right to report; the session is not asked, because a worker that registered again keeps its
 * leases and its finished proofs. The lease is looked at first, so that a stale report costs no pairing, and once more
 * by the log itself. A refusal that makes a worker drop a proof is confirmed with the log before it is given.
 */
import { type ErrorCode, isErrorCode, type Logger, ZkraftError } from '../../common/index.ts';
import type { ReportCompletionRequest, ReportFailureRequest } from '../../common/rpc/index.ts';
import type { CircuitCatalog } from '../circuits.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { Decision, Replica } from '../replica.ts';
import type { Driver, LeaseTable } from '../scheduler/index.ts';
import { type LeaseRef, type Task, taskUnder } from '../state/index.ts';
import { checkLease } from './requests.ts';
import type { ProofJudge } from './verification.ts';

export interface ReportsOptions {
  readonly replica: Replica;
  readonly judge: ProofJudge;
  readonly catalog: CircuitCatalog;
  readonly leases: LeaseTable;
  readonly driver: Driver;
  readonly metrics: CoordinatorMetrics;
  readonly logger: Logger;
  readonly now: () => number;
}

/**
 * Codes that no retry of the same request mends, but another worker, or the same one later, can: they speak of the
 * worker, not of the task.
 */
const WORKER_BOUND: ReadonlySet<ErrorCode> = new Set([
  'prover_aborted',
  'cancelled',
  'backend_unavailable',
  'artifact_not_found',
  'artifact_too_large',
  'circuit_wasm_invalid',
  'zkey_invalid',
  'vkey_invalid',
  'key_refused',
  'file_not_found',
  'config_invalid',
  'unauthenticated',
  'forbidden',
  'worker_quarantined',
  'stale_lease',
  'proof_invalid',
  'proof_malformed',
] satisfies ErrorCode[]);

/** May the task be tried again after this? The log carries the answer, so that all nodes agree. */
export function isRetryable(code: ErrorCode): boolean {
  return new ZkraftError(code, '').retryable || WORKER_BOUND.has(code);
}

const BACKENDS: ReadonlySet<string> = new Set(['snarkjs', 'wasm', 'webgpu']);
const MESSAGE_CHARS_MAX = 500;

export class Reports {
  readonly #options: ReportsOptions;
  /** Completions being verified, by lease: a report sent twice is verified once. */
  readonly #verifying = new Map<string, Promise<void>>();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  async acknowledge(lease: LeaseRef): Promise<void> {
    await this.#liveTask(lease);
    this.#options.leases.held(lease, this.#options.now());
  }

  async start(lease: LeaseRef): Promise<void> {
    const { replica, leases, logger, now } = this.#options;
    const task = await this.#liveTask(lease);
    leases.started(lease, now());
    if (task.phase === 'in_progress') return;
    const { events } = await replica.propose({ kind: 'task_started', lease });
    if (events[0]?.kind !== 'started') await this.#refuse(lease);
    logger.info(this.#fields(lease, task), 'proving started');
  }

  complete(request: ReportCompletionRequest): Promise<void> {
    const lease = checkLease(request.lease);
    // All of the lease: a report that names another worker or attempt shares no other report's answer.
    const key = `${lease.taskId}/${lease.workerId}/${lease.attempt}/${lease.epoch}`;
    const running = this.#verifying.get(key);
    if (running !== undefined) return running;
    const done = this.#complete(lease, request).finally(() => this.#verifying.delete(key));
    this.#verifying.set(key, done);
    return done;
  }

  async fail(request: ReportFailureRequest): Promise<boolean> {
    const { replica, logger } = this.#options;
    const lease = checkLease(request.lease);
    const task = await this.#liveTask(lease);
    const code: ErrorCode = isErrorCode(request.code) ? request.code : 'internal';
    const message = request.message.slice(0, MESSAGE_CHARS_MAX).replaceAll(/\p{Cc}/gu, ' ');
    logger.warn({ ...this.#fields(lease, task), code, reason: message }, 'the worker reports a failure');
    const decision = await replica.propose({
      kind: 'task_failed',
      lease,
      code,
      message,
      retryable: isRetryable(code),
      badProof: false,
    });
    if (decision.events[0]?.kind === 'stale') await this.#refuse(lease);
    return willRetry(decision);
  }

  async #complete(lease: LeaseRef, request: ReportCompletionRequest): Promise<void> {
    const { replica, judge, catalog, leases, driver, metrics, logger, now } = this.#options;
    if (this.#wasCompletedUnder(lease)) return;
    const task = await this.#liveTask(lease);
    const fields = this.#fields(lease, task);
    leases.held(lease, now());
    const verdict = await judge.judge(task.spec, request.proof, request.publicSignals);
    if (!verdict.ok) return await this.#badProof(lease, task, verdict.why);
    const { events } = await replica.propose({
      kind: 'task_completed',
      lease,
      proof: Buffer.from(request.proof).toString('base64'),
      publicSignals: Buffer.concat(request.publicSignals).toString('base64'),
    });
    if (events[0]?.kind !== 'completed') {
      if (this.#wasCompletedUnder(lease)) return;
      await this.#refuse(lease);
    }
    driver.learn(lease.workerId, task.spec.circuitDigest);
    const circuit = catalog.idOf(task.spec.circuitDigest) ?? 'other';
    metrics.add('coordinator_proofs_total', {
      circuit,
      backend: BACKENDS.has(request.backend) ? request.backend : 'other',
    });
    logger.info({ ...fields, backend: request.backend.slice(0, 32) }, 'proof verified and accepted');
  }

  async #badProof(lease: LeaseRef, task: Task, why: string): Promise<never> {
    const { replica, metrics, logger } = this.#options;
    metrics.add('coordinator_bad_proofs_total');
    logger.error({ ...this.#fields(lease, task), why }, 'the worker handed in a bad proof');
    const { events } = await replica.propose({
      kind: 'task_failed',
      lease,
      code: 'proof_invalid',
      message: why,
      retryable: isRetryable('proof_invalid'),
      badProof: true,
    });
    if (events[0]?.kind === 'stale') await this.#refuse(lease);
    throw new ZkraftError('proof_invalid', `the proof was not accepted: ${why}. Drop it`, { field: 'proof' });
  }

  /** The answer to the first report was lost, and this is it once more. */
  #wasCompletedUnder(lease: LeaseRef): boolean {
    const task = this.#options.replica.state.tasks.get(lease.taskId);
    return (
      task?.phase === 'completed' &&
      task.workerId === lease.workerId &&
      task.attempt === lease.attempt &&
      task.epoch === lease.epoch
    );
  }

  async #liveTask(lease: LeaseRef): Promise<Task> {
    const task = taskUnder(this.#options.replica.state, lease);
    return task ?? (await this.#refuse(lease));
  }

  async #refuse(lease: LeaseRef): Promise<never> {
    const { replica, metrics, logger } = this.#options;
    await replica.log.readIndex();
    metrics.add('coordinator_stale_reports_total');
    const { taskId, workerId, attempt } = lease;
    const requestId = replica.state.tasks.get(taskId)?.spec.requestId;
    logger.info(
      { request_id: requestId, task_id: taskId, worker_id: workerId, attempt },
      'stale report; nothing changed',
    );
    throw new ZkraftError(
      'stale_lease',
      `the lease of task ${taskId}, attempt ${attempt}, epoch ${lease.epoch}, is not live; drop the task`,
      { field: 'lease' },
    );
  }

  #fields(lease: LeaseRef, task: Task): Record<string, unknown> {
    return {
      request_id: task.spec.requestId,
      task_id: lease.taskId,
      worker_id: lease.workerId,
      attempt: lease.attempt,
    };
  }
}

const willRetry = (decision: Decision): boolean => decision.events.some((event) => event.kind === 'retry_scheduled');
