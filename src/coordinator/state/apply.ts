/**
 * `apply(state, entry) -> events`: the whole of what the cluster decides, deterministic and total. (Throws for one thing
 * alone: a version of the state that this program does not understand. See versions.ts.)
 *
 * No clock, no randomness, no I/O. A command that does not fit the state (a stale lease, a full worker, a task that
 * ended) changes nothing and says so in an event. Leader time is clamped to what was seen before, so it never runs
 * backwards, whoever leads.
 */
import { type Command, decodeCommand } from './commands.ts';
import type { RejectReason, StateEvent } from './events.ts';
import {
  type Conduct,
  type CoordinatorState,
  isDraining,
  isLive,
  isQuarantined,
  type LeaseRef,
  liveLease,
  loadOf,
  mayAct,
  sameLease,
  type Task,
  type TaskSpec,
  taskUnder,
} from './model.ts';
import { type Cause, settleFailure } from './retry.ts';
import { forgetStory, tell } from './story.ts';
import { notUnderstood, STATE_VERSIONS, type StateVersions } from './versions.ts';

/** So many proofs that do not verify, and a worker gets no more tasks. One could be a flipped bit, three are not. */
export const BAD_PROOFS_MAX = 3;
/** Records of conduct kept; beyond it the oldest clean one goes. */
export const CONDUCT_MAX = 10_000;
const MESSAGE_CHARS_MAX = 500;

/** Throws `upgrade_needed`, having changed nothing. */
export function applyEntry(
  state: CoordinatorState,
  data: Uint8Array,
  index: number,
  { understood, since }: StateVersions = STATE_VERSIONS,
): StateEvent[] {
  const command = data.length === 0 ? undefined : decodeCommand(data);
  if (command?.kind === 'version_raised' && command.to > understood) throw notUnderstood(command.to, understood);
  state.index = index;
  if (data.length === 0) return [{ kind: 'ignored', why: 'empty' }];
  // To those who know the command it is not there before its version, as to those who do not.
  if (command === undefined || since(command.kind) > state.version) return [{ kind: 'ignored', why: 'unknown' }];
  return apply(state, command, index);
}

export function apply(state: CoordinatorState, command: Command, index: number): StateEvent[] {
  const events = decide(state, command, index);
  tell(state, events, index);
  return events;
}

function decide(state: CoordinatorState, command: Command, index: number): StateEvent[] {
  state.index = index;
  state.nowMs = Math.max(state.nowMs, command.nowMs);
  switch (command.kind) {
    case 'worker_added':
      return addWorker(state, command, index);
    case 'worker_removed':
      return removeWorker(state, command, index);
    case 'worker_state':
      return changeWorker(state, command, index);
    case 'task_assigned':
      return assign(state, command, index);
    case 'task_started':
      return start(state, command.lease, index);
    case 'task_completed':
      return complete(state, command, index);
    case 'task_failed':
      return fail(state, command, index);
    case 'lease_expired': {
      const { lease, code, message } = command;
      const task = taskUnder(state, lease);
      return task === undefined
        ? [stale(state, lease.taskId)]
        : endLease(state, task, { code, message, retryable: true }, index);
    }
    case 'task_cancelled':
      return cancel(state, command, index);
    case 'task_orphaned':
      return adoptOrphan(state, command, index);
    case 'projected':
      return prune(state, command.upto);
    case 'outbox_refilled':
      state.outbox.clear();
      for (const id of state.tasks.keys()) state.outbox.set(id, index);
      return [{ kind: 'outbox_refilled', tasks: state.tasks.size }];
    case 'version_raised':
      if (command.to <= state.version) return [];
      state.version = command.to;
      return [{ kind: 'version_raised', to: command.to }];
  }
}

type Of<Kind extends Command['kind']> = Extract<Command, { kind: Kind }>;

function addWorker(state: CoordinatorState, { worker, held }: Of<'worker_added'>, index: number): StateEvent[] {
  const before = state.workers.get(worker.id);
  const { keyHash = '' } = worker;
  if (before !== undefined && !mayAct(before, keyHash)) return [{ kind: 'worker_refused', workerId: worker.id }];
  state.workers.set(worker.id, { ...worker, keyHash, sessionId: index, draining: false });
  const kept: LeaseRef[] = [];
  const events: StateEvent[] = [];
  for (const task of tasksOf(state, worker.id)) {
    const lease = liveLease(task);
    const holds = lease !== undefined && held.some((claim) => sameLease(lease, claim));
    if (holds && kept.length < worker.slots) kept.push(lease);
    else {
      const message = 'the worker registered anew and did not hold the task any more';
      events.push(...endLease(state, task, { code: 'lease_expired', message, retryable: true }, index));
    }
  }
  const replacedSessionId = before?.sessionId;
  return [{ kind: 'worker_added', workerId: worker.id, sessionId: index, replacedSessionId, kept }, ...events];
}

function removeWorker(state: CoordinatorState, command: Of<'worker_removed'>, index: number): StateEvent[] {
  const { workerId, sessionId, reason } = command;
  const worker = state.workers.get(workerId);
  // A removal decided against an older session must not hit the worker that came back.
  if (worker === undefined || worker.sessionId !== sessionId) return [];
  const events = endAllLeases(state, workerId, `the worker is gone: ${reason}`, index);
  state.workers.delete(workerId);
  return [{ kind: 'worker_removed', workerId, sessionId, reason }, ...events];
}

function changeWorker(state: CoordinatorState, { workerId, to }: Of<'worker_state'>, index: number): StateEvent[] {
  const worker = state.workers.get(workerId);
  if (to === 'released') {
    state.conduct.delete(workerId);
    return [{ kind: 'worker_changed', workerId, to }];
  }
  if (to === 'quarantined') {
    conductOf(state, workerId).quarantined = true;
    return [{ kind: 'worker_changed', workerId, to }, ...endAllLeases(state, workerId, 'worker quarantined', index)];
  }
  if (to === 'drained') {
    conductOf(state, workerId).drained = true;
    return [{ kind: 'worker_changed', workerId, to }];
  }
  if (worker === undefined) return [];
  worker.draining = to === 'draining';
  return [{ kind: 'worker_changed', workerId, to }];
}

function assign(state: CoordinatorState, command: Of<'task_assigned'>, index: number): StateEvent[] {
  const { task: spec, retry, attempt, workerId, sessionId } = command;
  const worker = state.workers.get(workerId);
  const reject = (why: RejectReason): StateEvent[] => [{ kind: 'rejected', taskId: spec.id, why }];
  if (state.tasks.has(spec.id)) return reject('task_held');
  if (worker === undefined || worker.sessionId !== sessionId) return reject('unknown_worker');
  if (isQuarantined(state, workerId)) return reject('worker_quarantined');
  if (isDraining(state, worker)) return reject('worker_draining');
  if (loadOf(state, workerId) >= worker.slots) return reject('no_free_slot');
  if (attempt < 1) return reject('bad_attempt');
  const task = newTask(spec, retry, attempt);
  task.phase = 'assigned';
  task.workerId = workerId;
  task.epoch = index;
  task.assignedAtMs = state.nowMs;
  state.tasks.set(spec.id, task);
  holdLease(state, workerId, spec.id);
  touch(state, spec.id, index);
  return [{ kind: 'assigned', lease: { taskId: spec.id, workerId, attempt, epoch: index } }];
}

function start(state: CoordinatorState, lease: LeaseRef, index: number): StateEvent[] {
  const task = taskUnder(state, lease);
  if (task === undefined) return [stale(state, lease.taskId)];
  if (task.phase === 'in_progress') return [{ kind: 'started', lease }];
  task.phase = 'in_progress';
  task.startedAtMs = state.nowMs;
  touch(state, lease.taskId, index);
  return [{ kind: 'started', lease }];
}

/** From `assigned` too: a result for a live lease counts, whether or not the start was ever heard of. */
function complete(state: CoordinatorState, command: Of<'task_completed'>, index: number): StateEvent[] {
  const { lease, proof, publicSignals } = command;
  const task = taskUnder(state, lease);
  if (task === undefined) return [stale(state, lease.taskId)];
  dropLease(state, task);
  task.phase = 'completed';
  task.startedAtMs ??= task.assignedAtMs;
  task.completedAtMs = state.nowMs;
  task.proof = proof;
  task.publicSignals = publicSignals;
  task.error = null;
  touch(state, lease.taskId, index);
  return [{ kind: 'completed', lease }];
}

function fail(state: CoordinatorState, command: Of<'task_failed'>, index: number): StateEvent[] {
  const { lease, code, message, badProof } = command;
  const task = taskUnder(state, lease);
  if (task === undefined) return [stale(state, lease.taskId)];
  const events = endLease(state, task, { code, message, retryable: command.retryable }, index, true);
  if (!badProof) return events;
  const conduct = conductOf(state, lease.workerId);
  conduct.badProofs += 1;
  events.push({ kind: 'bad_proof', workerId: lease.workerId, badProofs: conduct.badProofs });
  if (conduct.badProofs >= BAD_PROOFS_MAX && !conduct.quarantined) {
    conduct.quarantined = true;
    events.push({ kind: 'worker_changed', workerId: lease.workerId, to: 'quarantined' });
    events.push(...endAllLeases(state, lease.workerId, 'the worker handed in bad proofs', index));
  }
  return events;
}

function cancel(state: CoordinatorState, command: Of<'task_cancelled'>, index: number): StateEvent[] {
  const { taskId, requestId, attempt, reason } = command;
  const held = state.tasks.get(taskId);
  if (held !== undefined && !isLive(held) && held.phase !== 'pending') return [stale(state, taskId)];
  const events: StateEvent[] = [];
  const lease = liveLease(held);
  if (held !== undefined && lease !== undefined) {
    dropLease(state, held);
    events.push({ kind: 'lease_ended', lease, code: 'task_cancelled', reported: false });
  }
  const task = held ?? newTask(nameOnly(taskId, requestId), NO_RETRY, attempt);
  task.phase = 'cancelled';
  task.workerId = null;
  task.epoch = null;
  task.notBeforeMs = null;
  task.completedAtMs = state.nowMs;
  task.error = { code: 'task_cancelled', message: plainText(reason) };
  state.tasks.set(taskId, task);
  touch(state, taskId, index);
  return [...events, { kind: 'cancelled', taskId }];
}

function adoptOrphan(state: CoordinatorState, command: Of<'task_orphaned'>, index: number): StateEvent[] {
  const { taskId, requestId, retry, attempt } = command;
  if (state.tasks.has(taskId)) return [{ kind: 'rejected', taskId, why: 'task_held' }];
  const task = newTask(nameOnly(taskId, requestId), retry, Math.max(1, attempt));
  state.tasks.set(taskId, task);
  touch(state, taskId, index);
  const message = 'the coordinators know nothing of the lease that the database shows';
  return [settleFailure(task, { code: 'lease_expired', message, retryable: true }, state.nowMs)];
}

/** Drops from the outbox what is in the database, and forgets each task whose last word has been written. */
function prune(state: CoordinatorState, upto: number): StateEvent[] {
  const reach = Math.min(upto, state.index);
  const forgotten: string[] = [];
  for (const [id, changedAt] of state.outbox) {
    if (changedAt > reach) break;
    state.outbox.delete(id);
    const task = state.tasks.get(id);
    if (task !== undefined && !isLive(task)) {
      state.tasks.delete(id);
      forgotten.push(id);
    }
  }
  forgetStory(state, reach);
  state.projectedIndex = Math.max(state.projectedIndex, reach);
  return [{ kind: 'projected', upto: reach, forgotten }];
}

function endLease(state: CoordinatorState, task: Task, cause: Cause, index: number, reported = false): StateEvent[] {
  const lease = liveLease(task);
  if (lease === undefined) return [];
  dropLease(state, task);
  const message = plainText(cause.message);
  const outcome = settleFailure(task, { ...cause, message }, state.nowMs);
  touch(state, lease.taskId, index);
  return [{ kind: 'lease_ended', lease, code: cause.code, reported }, outcome];
}

function endAllLeases(state: CoordinatorState, workerId: string, message: string, index: number): StateEvent[] {
  const cause = { code: 'lease_expired', message, retryable: true };
  return tasksOf(state, workerId).flatMap((task) => endLease(state, task, cause, index));
}

/** Bounded, and without control characters: a NUL in a worker's words is a row that PostgreSQL never takes. */
const plainText = (text: string): string => text.slice(0, MESSAGE_CHARS_MAX).replaceAll(/\p{Cc}/gu, ' ');

const NO_RETRY: Task['retry'] = { attemptsMax: 1, backoffBaseMs: 0, backoffCapMs: 0 };

/** For a task that is here only until its row is written: it is never leased from here, so nobody asks for the rest. */
const nameOnly = (id: string, requestId: string): TaskSpec => ({
  id,
  requestId,
  circuitId: '',
  circuitDigest: '',
  treeId: '',
  depth: 0,
  leafIndex: 0,
  root: '',
  externalHash: '',
});

function newTask(spec: TaskSpec, retry: Task['retry'], attempt: number): Task {
  return {
    spec,
    retry,
    phase: 'pending',
    attempt,
    workerId: null,
    epoch: null,
    assignedAtMs: null,
    startedAtMs: null,
    completedAtMs: null,
    notBeforeMs: null,
    proof: null,
    publicSignals: null,
    error: null,
  };
}

const stale = (state: CoordinatorState, taskId: string): StateEvent => ({
  kind: 'stale',
  taskId,
  phase: state.tasks.get(taskId)?.phase,
});

/** Moves the task to the end of the outbox: one row a task, its latest. */
function touch(state: CoordinatorState, taskId: string, index: number): void {
  state.outbox.delete(taskId);
  state.outbox.set(taskId, index);
}

function tasksOf(state: CoordinatorState, workerId: string): Task[] {
  return [...(state.leases.get(workerId) ?? [])].flatMap((id) => state.tasks.get(id) ?? []);
}

export function holdLease(state: CoordinatorState, workerId: string, taskId: string): void {
  const held = state.leases.get(workerId);
  if (held === undefined) state.leases.set(workerId, new Set([taskId]));
  else held.add(taskId);
}

function dropLease(state: CoordinatorState, task: Task): void {
  if (task.workerId === null) return;
  const held = state.leases.get(task.workerId);
  held?.delete(task.spec.id);
  if (held?.size === 0) state.leases.delete(task.workerId);
}

function conductOf(state: CoordinatorState, workerId: string): Conduct {
  const known = state.conduct.get(workerId);
  if (known !== undefined) return known;
  if (state.conduct.size >= CONDUCT_MAX) {
    for (const [id, conduct] of state.conduct) {
      if (conduct.quarantined || conduct.drained) continue;
      state.conduct.delete(id);
      break;
    }
  }
  const conduct: Conduct = { badProofs: 0, quarantined: false, drained: false };
  state.conduct.set(workerId, conduct);
  return conduct;
}
