/**
 * Which part is struck how, in which order, and how long for: a pure function of a seed, so that a run can be repeated.
 *
 * The first half goes in turn through every kind on every part; the rest is chance, and one in three of those strikes
 * while the one before it still holds. What the seed cannot fix is how the processes race; it fixes what is done to them.
 */
import type { SeededRandom } from '../support/seeded-random.ts';
import { COORDINATORS, PART_NAMES, type PartName } from './parts.ts';

export const FAULT_KINDS = ['kill', 'pause', 'restart', 'cut'] as const;
/**
 * kill: kill -9, then a start. pause: SIGSTOP, then SIGCONT. restart: SIGTERM, its own end, then a start. cut: a coordinator
 * is cut off from the others, and joined with them again.
 */
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly part: PartName;
  /** From the moment that proofs are in flight to the strike: so that it hits any stage of a proof. */
  readonly delayMs: number;
  /** How long the part is paused, or stays away before its start. */
  readonly heldMs: number;
  /** It strikes while the fault before it still holds, on another part. */
  readonly overlaps: boolean;
}

const DELAY_MS_MAX = 1_200;
const AWAY_MS_MAX = 2_500;
/** Half of all pauses are longer than the network's heartbeat timeout of 4 s. */
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 7_500;

export function planFaults(random: SeededRandom, count: number): Fault[] {
  const inTurn = FAULT_KINDS.flatMap((kind) => partsFor(kind).map((part) => ({ kind, part })));
  const half = Math.max(Math.ceil(count / 2), Math.min(count, inTurn.length));
  const plan: Fault[] = [];
  while (plan.length < count) {
    const turn = plan.length < half ? inTurn[plan.length % inTurn.length] : undefined;
    const kind = turn?.kind ?? pick(random, FAULT_KINDS);
    const part = turn?.part ?? pick(random, partsFor(kind));
    const before = plan.at(-1);
    const overlaps = turn === undefined && before?.overlaps === false && before.part !== part && random.below(3) === 0;
    const delayMs = random.below(DELAY_MS_MAX);
    const heldMs =
      kind === 'pause' || kind === 'cut'
        ? PAUSE_MS_MIN + random.below(PAUSE_MS_MAX - PAUSE_MS_MIN)
        : random.below(AWAY_MS_MAX);
    plan.push({ kind, part, delayMs, heldMs, overlaps });
  }
  return plan;
}

const partsFor = (kind: FaultKind): readonly PartName[] => (kind === 'cut' ? COORDINATORS : PART_NAMES);

/** Every kind on every part once. */
export const FAULTS_IN_TURN = FAULT_KINDS.reduce((sum, kind) => sum + partsFor(kind).length, 0);

export function pick<T>(random: SeededRandom, from: readonly T[]): T {
  const chosen = from[random.below(from.length)];
  if (chosen === undefined) throw new Error('nothing to choose from');
  return chosen;
}
