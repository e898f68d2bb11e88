/**
 * What `zkraft top` shows: one frame, from what the processes said now and what they said before. Pure.
 *
 * Speeds are differences of counters between two frames. A process that was started again counts from nothing: its
 * counters are told from those of before by its start time.
 */
import { type Asked, type Fields, fields } from './ask.ts';

/** What a coordinator's admin service says of a worker. */
export interface ListedWorker {
  readonly workerId: string;
  readonly registered: boolean;
  readonly liveness: string;
  readonly slots: number;
  readonly used: number;
  readonly softwareVersion: string;
  readonly host: string;
  readonly refusedBecause: string;
}

/** One round of questions. */
export interface Round {
  readonly at: Date;
  readonly coordinators: readonly Asked[];
  readonly gateways: readonly Asked[];
  readonly workers: readonly Asked[];
  /** As the leader lists them; undefined when it could not be asked. */
  readonly listed: readonly ListedWorker[] | undefined;
  readonly listProblem: string | undefined;
}

type Count = number | null;

export interface CoordinatorRow {
  readonly url: string;
  readonly health: Asked['health'];
  readonly id: string | null;
  readonly state: string | null;
  readonly term: Count;
  readonly commit_index: Count;
  readonly applied_index: Count;
  /** Entries behind the furthest commit that anybody told of. */
  readonly lag_entries: Count;
  readonly workers: Count;
  readonly capacity_total: Count;
  readonly capacity_used: Count;
  readonly problems: readonly string[];
}

export interface WorkerRow {
  readonly id: string;
  /** active, suspect, dead, not registered; null when the leader could not be asked. */
  readonly state: string | null;
  readonly used: Count;
  readonly slots: Count;
  readonly tasks_per_s: Count;
  readonly version: string | null;
  readonly host: string | null;
  /** Of its own HTTP port; null when that is not known. */
  readonly health: Asked['health'] | null;
  readonly refused_because: string;
}

export interface Frame {
  readonly at: string;
  /** Since the frame before; null for the first. */
  readonly interval_s: Count;
  readonly leader: string | null;
  readonly database: 'ok' | 'away' | 'unknown';
  readonly coordinators: readonly CoordinatorRow[];
  /** Entries that each peer lacks, as the leader says. */
  readonly peers: readonly { readonly node: string; readonly lag_entries: number }[];
  readonly queue: {
    /** In the database, as the leader last counted. */
    readonly pending: Count;
    readonly leased: Count;
    /** Proofs that wait to be verified. */
    readonly verifying: Count;
    /** Decisions that are not in the database yet. */
    readonly outbox: Count;
    /** From submission to lease, of what was leased in the interval. */
    readonly wait_s: Count;
    readonly workers_wanted: Count;
  };
  readonly throughput: {
    readonly submitted_per_s: Count;
    readonly leased_per_s: Count;
    readonly completed_per_s: Count;
    readonly failed_per_s: Count;
    readonly retried_per_s: Count;
    /** From lease to accepted proof, of what was accepted in the interval. */
    readonly task_s: Count;
  };
  readonly capacity: { readonly total: Count; readonly used: Count; readonly available: Count };
  readonly workers: {
    readonly total: Count;
    readonly active: Count;
    readonly suspect: Count;
    readonly dead: Count;
    readonly list: readonly WorkerRow[];
    /** Why the leader's list is missing. */
    readonly problem: string | null;
  };
  readonly gateways: readonly {
    readonly url: string;
    readonly health: Asked['health'];
    readonly requests_per_s: Count;
    readonly problems: readonly string[];
  }[];
}

export function frameOf(now: Round, before: Round | undefined): Frame {
  const leader = now.coordinators.find(({ health, body }) => health !== 'away' && fields(body.raft).is_leader === true);
  const furthest = Math.max(0, ...now.coordinators.map(({ body }) => count(fields(body.raft).commit_index) ?? 0));
  const counts = fields(leader?.body.workers);
  const capacity = fields(leader?.body.capacity);
  const coordinators = pairs(now.coordinators, before?.coordinators);
  const gateways = pairs(now.gateways, before?.gateways);
  const speed = (name: string, labels?: Readonly<Record<string, string>>, of = coordinators): Count =>
    total(of.map((pair) => rate(pair, name, labels)));
  return {
    at: now.at.toISOString(),
    interval_s: before === undefined ? null : rounded((now.at.getTime() - before.at.getTime()) / 1_000),
    leader: leader === undefined ? null : text(leader.body.coordinator_id),
    database: databaseOf([...now.coordinators, ...now.gateways]),
    coordinators: now.coordinators.map((one) => coordinatorRow(one, furthest)),
    peers: (leader?.metrics?.all('raft_peer_lag_entries') ?? []).map(({ labels, value }) => ({
      node: labels.peer ?? '',
      lag_entries: value,
    })),
    queue: {
      pending: leader?.metrics?.sum('coordinator_queue_depth') ?? null,
      leased: count(capacity.used),
      verifying: leader?.metrics?.sum('coordinator_verify_waiting') ?? null,
      outbox: count(leader?.body.outbox),
      wait_s: mean(coordinators, 'coordinator_queue_wait_seconds'),
      workers_wanted: leader?.metrics?.sum('coordinator_workers_wanted') ?? null,
    },
    throughput: {
      submitted_per_s: speed('gateway_submissions_total', { outcome: 'created' }, gateways),
      leased_per_s: speed('coordinator_assignments_total'),
      completed_per_s: speed('coordinator_tasks_total', { outcome: 'completed' }),
      failed_per_s: speed('coordinator_tasks_total', { outcome: 'failed' }),
      retried_per_s: speed('coordinator_retries_total'),
      task_s: mean(coordinators, 'coordinator_task_seconds'),
    },
    capacity: { total: count(capacity.total), used: count(capacity.used), available: count(capacity.available) },
    workers: {
      total: count(counts.total),
      active: count(counts.active),
      suspect: count(counts.suspect),
      dead: count(counts.dead),
      list: workerRows(now, before),
      problem: now.listProblem ?? null,
    },
    gateways: gateways.map((pair) => ({
      url: pair.now.url,
      health: pair.now.health,
      requests_per_s: rate(pair, 'gateway_http_requests_total'),
      problems: problemsOf(pair.now.body),
    })),
  };
}

function coordinatorRow({ url, health, body }: Asked, furthest: number): CoordinatorRow {
  const raft = fields(body.raft);
  const applied = count(raft.applied_index);
  const capacity = fields(body.capacity);
  return {
    url,
    health,
    id: text(body.coordinator_id),
    state: text(raft.state),
    term: count(raft.term),
    commit_index: count(raft.commit_index),
    applied_index: applied,
    lag_entries: applied === null ? null : Math.max(0, furthest - applied),
    workers: count(fields(body.workers).total),
    capacity_total: count(capacity.total),
    capacity_used: count(capacity.used),
    problems: problemsOf(body),
  };
}

/** Those that the leader lists, and those that were asked themselves. */
function workerRows(now: Round, before: Round | undefined): WorkerRow[] {
  const asked = pairs(now.workers, before?.workers);
  const rows = new Map<string, WorkerRow>();
  for (const { workerId: id, liveness, registered, used, slots, softwareVersion, host, refusedBecause } of now.listed ??
    []) {
    const state = registered ? liveness : 'not registered';
    const known = { id, state, used, slots, version: softwareVersion, host, refused_because: refusedBecause };
    rows.set(id, { ...known, tasks_per_s: null, health: null });
  }
  for (const pair of asked) {
    const { body, health, url } = pair.now;
    const id = text(body.worker_id) ?? url;
    const own = { used: count(body.running), slots: count(body.slots), version: null, host: null, refused_because: '' };
    const listed = rows.get(id) ?? { id, state: null, ...own };
    rows.set(id, { ...listed, health, tasks_per_s: rate(pair, 'worker_tasks_total', { outcome: 'completed' }) });
  }
  return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const DATABASE_CODE = 'database_unavailable';

function databaseOf(asked: readonly Asked[]): Frame['database'] {
  const said = asked.filter(({ health }) => health !== 'away');
  if (said.some(({ body }) => JSON.stringify(body).includes(DATABASE_CODE))) return 'away';
  return said.some(({ health }) => health === 'ok') ? 'ok' : 'unknown';
}

/** In a coordinator's words, or in a gateway's. */
function problemsOf(body: Fields): string[] {
  if (Array.isArray(body.problems)) {
    return body.problems.map((problem) => text(fields(problem).message) ?? String(problem));
  }
  return Object.entries(fields(body.checks)).flatMap(([part, said]) =>
    said === 'ok' ? [] : [`${part}: ${String(said)}`],
  );
}

interface Pair {
  readonly now: Asked;
  /** Of the same process, neither away nor started again since. */
  readonly before: Asked | undefined;
}

function pairs(now: readonly Asked[], before: readonly Asked[] | undefined): Pair[] {
  const startOf = (asked: Asked | undefined) => asked?.metrics?.sum('process_start_time_seconds');
  return now.map((one) => {
    const last = before?.find(({ url }) => url === one.url);
    return { now: one, before: startOf(last) === startOf(one) ? last : undefined };
  });
}

/** By how much a counter rose; one that was not there before stood at nothing. */
function rise({ now, before }: Pair, name: string, labels?: Readonly<Record<string, string>>): Count {
  if (now.metrics === undefined || before?.metrics === undefined) return null;
  return Math.max(0, (now.metrics.sum(name, labels) ?? 0) - (before.metrics.sum(name, labels) ?? 0));
}

function rate(pair: Pair, name: string, labels?: Readonly<Record<string, string>>): Count {
  const rose = rise(pair, name, labels);
  const tookMs = pair.now.atMs - (pair.before?.atMs ?? 0);
  return rose === null || tookMs <= 0 ? null : rounded((rose * 1_000) / tookMs);
}

/** Of what a histogram took in since the frame before. */
function mean(of: readonly Pair[], name: string): Count {
  const sum = total(of.map((pair) => rise(pair, `${name}_sum`)));
  const observed = total(of.map((pair) => rise(pair, `${name}_count`)));
  return sum === null || observed === null || observed === 0 ? null : rounded(sum / observed);
}

function total(values: readonly Count[]): Count {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : rounded(known.reduce((sum, value) => sum + value, 0));
}

const rounded = (value: number): number => Number(value.toFixed(3));
const count = (value: unknown): Count => (typeof value === 'number' && Number.isFinite(value) ? value : null);
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
