/**
 * What workers report about leases: started, proved, failed.
 *
 * The lease is the right to report, in the hands of the worker that it was given to (see worker-key.ts); the session is
 * not asked, because a worker that registered again keeps its leases and its finished proofs. The lease is looked at
 * first, so that a stale report costs no pairing, and once more by the log itself. Whoever reports under a lease of
 * another is told the same as if it did not exist, so that guessing tells nothing. A refusal that makes a worker drop
 * a proof is confirmed with the log before it is given.
 */
import { type ErrorCode, isErrorCode, type Logger, ZkraftError } from '../../common/index.ts';
import type { ReportCompletionRequest, ReportFailureRequest } from '../../common/rpc/index.ts';
import type { CircuitCatalog } from '../circuits.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { Decision, Replica } from '../replica.ts';
import type { Driver, LeaseTable } from '../scheduler/index.ts';
import { type LeaseRef, mayAct, type Task, taskUnder } from '../state/index.ts';
import { checkLease } from './requests.ts';
import type { StatementCheck } from './statement-check.ts';
import type { ProofJudge } from './verification.ts';

export interface ReportsOptions {
  readonly replica: Replica;
  readonly judge: ProofJudge;
  readonly statements: StatementCheck;
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

/** Does this speak of the worker, or of the moment, rather than of the task? */
export function isRetryable(code: ErrorCode): boolean {
  return new ZkraftError(code, '').retryable || WORKER_BOUND.has(code);
}

const BACKENDS: ReadonlySet<string> = new Set(['snarkjs', 'wasm', 'webgpu']);
const MESSAGE_CHARS_MAX = 500;

export class Reports {
  readonly #options: ReportsOptions;
  /** Completions being verified, by lease: a report sent twice is verified once. */
  readonly #verifying = new Map<string, Promise<void>>();
  /** The same of failures, whose statement may have to be checked. */
  readonly #failing = new Map<string, Promise<boolean>>();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  async acknowledge(lease: LeaseRef, keyHash: string): Promise<void> {
    if (!this.#isHolder(lease, keyHash)) return await this.#refuse(lease);
    await this.#liveTask(lease);
    this.#options.leases.held(lease, this.#options.now());
  }

  async start(lease: LeaseRef, keyHash: string): Promise<void> {
    const { replica, leases, logger, now } = this.#options;
    if (!this.#isHolder(lease, keyHash)) return await this.#refuse(lease);
    const task = await this.#liveTask(lease);
    leases.started(lease, now());
    if (task.phase === 'in_progress') return;
    const { events } = await replica.propose({ kind: 'task_started', lease });
    if (events[0]?.kind !== 'started') await this.#refuse(lease);
    logger.info(this.#fields(lease, task), 'proving started');
  }

  async complete(request: ReportCompletionRequest, keyHash: string): Promise<void> {
    const lease = checkLease(request.lease);
    if (!this.#isHolder(lease, keyHash)) return await this.#refuse(lease);
    const key = keyOf(lease);
    const running = this.#verifying.get(key);
    if (running !== undefined) return await running;
    const done = this.#complete(lease, request).finally(() => this.#verifying.delete(key));
    this.#verifying.set(key, done);
    await done;
  }

  /** True when the task will be tried again. */
  async fail(request: ReportFailureRequest, keyHash: string): Promise<boolean> {
    const lease = checkLease(request.lease);
    if (!this.#isHolder(lease, keyHash)) return await this.#refuse(lease);
    const key = keyOf(lease);
    const running = this.#failing.get(key);
    if (running !== undefined) return await running;
    const done = this.#fail(lease, request).finally(() => this.#failing.delete(key));
    this.#failing.set(key, done);
    return await done;
  }

  async #fail(lease: LeaseRef, request: ReportFailureRequest): Promise<boolean> {
    const { replica, logger } = this.#options;
    const task = await this.#liveTask(lease);
    const code: ErrorCode = isErrorCode(request.code) ? request.code : 'internal';
    const message = request.message.slice(0, MESSAGE_CHARS_MAX).replaceAll(/\p{Cc}/gu, ' ');
    logger.warn({ ...this.#fields(lease, task), code, reason: message }, 'the worker reports a failure');
    const decision = await replica.propose({
      kind: 'task_failed',
      lease,
      code,
      message,
      // The log carries the answer, so that all nodes agree.
      retryable: isRetryable(code) || (await this.#isWrong(lease, task, code)),
      badProof: false,
    });
    if (decision.events[0]?.kind === 'stale') await this.#refuse(lease);
    return willRetry(decision);
  }

  /** The worker says that nobody can prove the task. */
  async #isWrong(lease: LeaseRef, task: Task, code: ErrorCode): Promise<boolean> {
    if (!(await this.#options.statements.mayBeTrue(task.spec))) return false;
    const fields = { ...this.#fields(lease, task), code };
    this.#options.logger.error(fields, 'the worker says that the task cannot be proved, but its statement is true');
    return true;
  }

  async #complete(lease: LeaseRef, request: ReportCompletionRequest): Promise<void> {
    const { replica, judge, catalog, leases, driver, metrics, logger, now } = this.#options;
    if (this.#wasCompletedUnder(lease)) return;
    const task = await this.#liveTask(lease);
    const fields = this.#fields(lease, task);
    leases.held(lease, now());
    const isWanted = () => taskUnder(replica.state, lease) !== undefined;
    const { proof, publicSignals: signals } = request;
    const verdict = await judge.judge(task.spec, { workerId: lease.workerId, proof, signals, isWanted });
    if (verdict === undefined) return await this.#refuse(lease);
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

  /** False for a caller that is not the worker which the lease names, while that one is registered. */
  #isHolder(lease: LeaseRef, keyHash: string): boolean {
    const worker = this.#options.replica.state.workers.get(lease.workerId);
    return worker === undefined || mayAct(worker, keyHash);
  }

  async #liveTask(lease: LeaseRef): Promise<Task> {
    return taskUnder(this.#options.replica.state, lease) ?? (await this.#refuse(lease));
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

/** All of the lease: a report that names another worker or attempt shares no other report's answer. */
const keyOf = ({ taskId, workerId, attempt, epoch }: LeaseRef): string => `${taskId}/${workerId}/${attempt}/${epoch}`;

const willRetry = (decision: Decision): boolean => decision.events.some((event) => event.kind === 'retry_scheduled');
