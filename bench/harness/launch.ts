/**
 * A case of a bench, measured: several launches of fresh processes, and in each launch all sides in turn.
 *
 * Ours, baseline, ours, baseline: whatever slows the machine down for a while (a neighbour, the clock rate) slows both
 * alike, so that the ratio stands where the times do not. Fresh processes, because where code and memory come to lie
 * can cost a factor of its own that stays for a process's life.
 */
import { ZkraftError } from '../../src/common/index.ts';
import type { ContenderOrder, ReadyContender, Sample, Side } from './contender.ts';
import { ContenderChild } from './contender-child.ts';

/** What the conductor needs of a contender's process; a test gives one of its own. */
export interface Player {
  readonly ready: ReadyContender;
  sample(sample: number): Promise<Sample>;
  result(): Promise<string | undefined>;
  end(): Promise<void>;
  kill(): void;
}

export type StartPlayer = (order: ContenderOrder, node: string, signal?: AbortSignal) => Promise<Player>;

export interface CasePlan {
  /** Of each side, in the order in which they take turns. */
  readonly orders: readonly ContenderOrder[];
  readonly launches: number;
  /** Samples of each side in one launch. */
  readonly runs: number;
  /** Path of the Node binary. */
  readonly node: string;
  readonly signal?: AbortSignal;
  /** Called after each round with the share of this case that is done. */
  readonly onRound?: (fraction: number) => void;
}

export interface SideSamples {
  readonly side: Side;
  readonly ready: ReadyContender;
  readonly samples: readonly Sample[];
}

/** Rejects as `ContenderChild.start` does, and with `bench_failed` when the sides do not compute the same. */
export async function measureCase(plan: CasePlan, start: StartPlayer = ContenderChild.start): Promise<SideSamples[]> {
  const taken = plan.orders.map(() => [] as Sample[]);
  let ready: readonly ReadyContender[] = [];
  for (let launch = 0; launch < plan.launches; launch++) {
    const players: Player[] = [];
    try {
      // One after the other, so that no side warms up beside another.
      for (const order of plan.orders) players.push(await start(order, plan.node, plan.signal));
      ready = players.map((player) => player.ready);
      for (let run = 0; run < plan.runs; run++) {
        for (const [i, player] of players.entries()) taken[i]?.push(await player.sample(run));
        if (run === 0) await agree(plan.orders, players);
        plan.onRound?.((launch + (run + 1) / plan.runs) / plan.launches);
      }
      for (const player of players) await player.end();
    } finally {
      for (const player of players) player.kill();
    }
  }
  return plan.orders.map(({ side }, i) => ({ side, ready: ready[i] as ReadyContender, samples: taken[i] ?? [] }));
}

/** A side that is fast and wrong must not get a figure. */
async function agree(orders: readonly ContenderOrder[], players: readonly Player[]): Promise<void> {
  const results: (string | undefined)[] = [];
  for (const player of players) results.push(await player.result());
  const said = results.filter((text) => text !== undefined);
  if (new Set(said).size <= 1) return;
  const [order] = orders;
  throw new ZkraftError(
    'bench_failed',
    `the sides of ${order?.bench} ${JSON.stringify(order?.params)} do not compute the same: ` +
      players.map((player, i) => `${player.ready.name} ${results[i]?.slice(0, 40)}`).join(', '),
  );
}
