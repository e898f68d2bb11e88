/**
 * Handing leadership over. Thesis, 3.10; rule 5: it is tied to the term, and given up after an election timeout.
 *
 * Nothing new is taken from the moment on, and what is in flight is finished first, so that nobody's outcome is unknown
 * because of it.
 */
import { ZkraftError } from '../../common/index.ts';
import type { CoreStatus } from '../core/index.ts';
import type { NodeId } from '../types.ts';
import type { Driver } from './driver.ts';
import { memberNamed } from './membership.ts';
import type { Runtime } from './ports.ts';
import type { ReplicatedState } from './replicated-state.ts';

export interface TransferOptions<Result> {
  readonly driver: Driver<Result>;
  readonly state: ReplicatedState<Result>;
  readonly runtime: Runtime;
  readonly timeoutMs: number;
}

const LOOK_EVERY_MS = 5;

/** Resolves with the name of the new leader. Rejects with `transfer_failed` when nobody took over in time. */
export async function transferLeadership<Result>(
  options: TransferOptions<Result>,
  toName: string | undefined,
): Promise<string> {
  const { driver, state, runtime, timeoutMs } = options;
  if (!driver.leads) throw driver.notLeader();
  const { term } = driver;
  const to = chooseTransferee(options, await driver.coreStatus(), toName);
  const nameOf = (id: NodeId): string => state.members.get(id)?.name ?? String(id);
  const isOver = (): boolean => driver.end !== undefined || driver.term !== term || !driver.leads;
  driver.holdProposals(true);
  try {
    await until(runtime, timeoutMs, () => isOver() || driver.proposalsInFlight === 0);
    await driver.call((core) => core.transferLeader(to));
    // The successor is known once it has said so; until then nobody leads.
    const arrived = await until(runtime, 2 * timeoutMs, () => isOver() && driver.lead !== 0);
    if (arrived && driver.lead !== driver.id) return nameOf(driver.lead);
  } finally {
    driver.holdProposals(false);
  }
  throw new ZkraftError(
    'transfer_failed',
    `${nameOf(to)} did not take over within ${timeoutMs} ms; this node ${driver.leads ? 'still leads' : 'leads no more'}. Try again`,
  );
}

/** The one that was named; else, of the voters in touch, the one that has most of the log. */
function chooseTransferee<Result>(
  { driver, state, runtime }: TransferOptions<Result>,
  status: CoreStatus,
  toName: string | undefined,
): NodeId {
  const nowMs = runtime.now();
  const voters = [...status.progress].filter(([id, { isLearner }]) => id !== status.id && !isLearner);
  if (toName !== undefined) {
    const { nodeId } = memberNamed(state.members, toName);
    if (nodeId === status.id) throw refused(`"${toName}" leads already`);
    if (!voters.some(([id]) => id === nodeId)) throw refused(`"${toName}" is a learner; promote it first`);
    return nodeId;
  }
  const [best] = voters
    .filter(([id]) => driver.contacts.isInTouch(id, nowMs))
    .sort(([, a], [, b]) => b.match - a.match);
  if (best === undefined) throw refused('no other voter is in touch');
  return best[0];
}

/** False when it did not come true in time. */
export async function until(runtime: Runtime, timeoutMs: number, holds: () => boolean): Promise<boolean> {
  const endMs = runtime.now() + timeoutMs;
  for (;;) {
    if (holds()) return true;
    if (runtime.now() >= endMs) return false;
    await new Promise<void>((resolve) => {
      runtime.after(LOOK_EVERY_MS, resolve);
    });
  }
}

const refused = (why: string): ZkraftError => new ZkraftError('membership_refused', `${why}; nothing was handed over`);
