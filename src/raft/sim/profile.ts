/**
 * How a world is: drawn from the seed, so that each seed is another kind of world and not only another day of one.
 *
 * Some faults are left out of each world (swarm testing; A. Groce et al., ISSTA 2012): what happens all the time hides
 * what only shows without it.
 */
import type { MembershipRules, SnapshotPolicy } from '../node/index.ts';
import type { Weather } from './network.ts';
import type { Random } from './random.ts';

export const FAULTS = [
  'kill',
  'power-cut',
  'kill-leader',
  'pause',
  'split',
  'isolate-leader',
  'one-way',
  'stall',
  'disk-error',
  'lose-disk',
  'storm',
] as const;

export type Fault = (typeof FAULTS)[number];

export interface Profile {
  readonly voters: number;
  /** Machines that wait to be added. */
  readonly spares: number;
  readonly electionTimeoutMs: number;
  readonly snapshots: SnapshotPolicy;
  readonly membership: MembershipRules;
  readonly maxMessageBytes: number;
  readonly maxAppendEntries: number;
  readonly commitTimeoutMs: number;
  /** Clocks go so much too fast or too slow at most. */
  readonly clockDrift: number;
  readonly syncMs: number;
  readonly weather: Weather;
  /** Messages of one link arrive in order, but for stragglers. */
  readonly isInOrder: boolean;
  readonly faultEveryMs: number;
  /** Until what was broken is whole again. */
  readonly repairAfterMs: number;
  readonly weights: Readonly<Record<Fault, number>>;
  readonly clients: number;
  readonly thinkMs: number;
  /** Between two changes that each of the operators asks for; `undefined`: nobody does. */
  readonly operateEveryMs: number | undefined;
}

export const TICK_MS = 100;
const ELECTION_TIMEOUT_MS = 1_000;

function anyProfile(random: Random): Profile {
  const meanDelayMs = random.pick([2, 10, 40, 120]) ?? 10;
  const isBadWeather = random.happens(0.5);
  return {
    voters: random.pick([3, 3, 3, 3, 3, 4, 5]) ?? 3,
    spares: random.below(2),
    electionTimeoutMs: ELECTION_TIMEOUT_MS,
    snapshots: {
      intervalMs: random.pick([20_000, 120_000]) ?? 120_000,
      threshold: random.pick([8, 20, 60, 200, 600]) ?? 200,
      trailingEntries: random.pick([0, 5, 50, 200]) ?? 50,
    },
    membership: { promoteLagEntriesMax: 250, promoteInTouchMs: 500, autoPromote: random.happens(0.5) },
    maxMessageBytes: random.pick([1, 200, 2_000, 1_048_576]) ?? 2_000,
    maxAppendEntries: random.pick([1, 4, 64]) ?? 64,
    commitTimeoutMs: random.pick([0, 50]) ?? 50,
    clockDrift: random.pick([0, 0.05, 0.2]) ?? 0,
    syncMs: random.pick([0.5, 5, 30, 200]) ?? 5,
    weather: {
      meanDelayMs,
      lossProbability: isBadWeather ? random.between(0, 0.15) : 0,
      doubleProbability: isBadWeather ? random.between(0, 0.1) : 0,
      straggleProbability: random.happens(0.5) ? 0.02 : 0,
    },
    isInOrder: random.happens(0.7),
    faultEveryMs: random.pick([3_000, 8_000, 15_000]) ?? 8_000,
    repairAfterMs: random.pick([800, 3_000, 8_000]) ?? 3_000,
    weights: drawWeights(random),
    clients: 2 + random.below(4),
    thinkMs: random.pick([1_500, 4_000, 9_000]) ?? 4_000,
    operateEveryMs: random.happens(0.6) ? (random.pick([3_000, 10_000]) ?? 10_000) : undefined,
  };
}

function drawWeights(random: Random): Record<Fault, number> {
  const weights = Object.fromEntries(
    FAULTS.map((fault) => [fault, random.happens(0.5) ? random.between(0.2, 1) : 0]),
  ) as Record<Fault, number>;
  // A disk that is lost takes an operator's round of changes to get over.
  weights['lose-disk'] *= 0.2;
  if (Object.values(weights).every((weight) => weight === 0)) weights['kill-leader'] = 1;
  return weights;
}

const NO_FAULTS = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;

/** The figure's world: leaders come and go before they can finish anything (Raft, figure 8; section 5.4.2). */
function figure8Profile(random: Random): Profile {
  return {
    ...anyProfile(random),
    voters: 5,
    spares: 0,
    snapshots: { intervalMs: 1e9, threshold: 500, trailingEntries: 100 },
    syncMs: 2,
    weather: {
      meanDelayMs: 20,
      lossProbability: random.happens(0.5) ? 0.1 : 0,
      doubleProbability: random.happens(0.5) ? 0.05 : 0,
      straggleProbability: random.happens(0.5) ? 0.1 : 0,
    },
    faultEveryMs: 2_000,
    repairAfterMs: 2_000,
    weights: { ...NO_FAULTS, 'kill-leader': 1, kill: 0.2, split: 0.3, 'isolate-leader': 0.5 },
    clients: 3,
    thinkMs: 1_000,
    operateEveryMs: undefined,
  };
}

/** Leaders are left alone with much that is never committed, while the others go on and cut their logs behind them. */
function leftBehindProfile(random: Random): Profile {
  return {
    ...anyProfile(random),
    voters: 3,
    spares: 0,
    snapshots: { intervalMs: 1e9, threshold: 8, trailingEntries: 0 },
    syncMs: 2,
    weather: { meanDelayMs: 10, lossProbability: 0, doubleProbability: 0, straggleProbability: 0 },
    faultEveryMs: 12_000,
    repairAfterMs: 6_000,
    weights: { ...NO_FAULTS, 'isolate-leader': 1, kill: 0.1 },
    clients: 5,
    thinkMs: 1_000,
    operateEveryMs: undefined,
  };
}

/** One world in ten is the figure's, one in ten of those left behind. */
function drawProfile(random: Random): Profile {
  const draw = random.unit();
  if (draw < 0.1) return figure8Profile(random);
  return draw < 0.2 ? leftBehindProfile(random) : anyProfile(random);
}

export const PROFILES = { swarm: drawProfile, 'figure-8': figure8Profile, 'left-behind': leftBehindProfile } as const;
export type ProfileName = keyof typeof PROFILES;
