/**
 * Strikes one fault after another, mends each, and counts: how many, of which kind, on what, with how many proofs in
 * flight at that moment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault-plan.ts';
import type { Network } from './network.ts';

export interface Strike {
  readonly fault: Fault;
  /** Just before it; undefined when nobody could be asked, because another fault held. */
  readonly inFlight: number | undefined;
  /** From the strike until the part was ready again. */
  readonly mendedMs: number;
}

export interface StrikeOptions {
  readonly network: Network;
  readonly plan: readonly Fault[];
  /** No fault begins after so long; undefined: all that are planned. */
  readonly forMs: number | undefined;
  /** Faults wait while more tasks than this are open: so that they are spread over all of them. */
  readonly backlogMax: number;
  /** Before the fault of this number, from 0: lets tasks in. */
  readonly onNext: (number: number) => void;
  readonly onStruck: (number: number, strike: Strike) => void;
  readonly signal: AbortSignal;
}

/** How long a fault waits for a short backlog and a proof in flight. After that it strikes as it is. */
const PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 100;

export async function strikeAll(options: StrikeOptions): Promise<Strike[]> {
  const { network, plan, forMs = Number.POSITIVE_INFINITY, signal } = options;
  const endMs = performance.now() + forMs;
  const strikes: Promise<Strike>[] = [];
  let open: Promise<unknown> = Promise.resolve();
  for (const [number, fault] of plan.entries()) {
    if (performance.now() > endMs) break;
    if (!fault.overlaps) {
      await open;
      await untilSo(async () => (await network.openTasks()) <= options.backlogMax, signal);
    }
    signal.throwIfAborted();
    options.onNext(number);
    if (!fault.overlaps) await untilSo(async () => ((await network.proofsInFlight()) ?? 0) > 0, signal);
    await sleep(fault.delayMs, undefined, { signal });
    const inFlight = await network.proofsInFlight();
    const strike = strikeOne(network, fault, inFlight).then((done) => {
      options.onStruck(number, done);
      return done;
    });
    // Waited for below, and by the next fault; until then nobody is listening.
    strike.catch(() => {});
    strikes.push(strike);
    open = fault.overlaps ? Promise.all([open, strike]) : strike;
  }
  return Promise.all(strikes);
}

async function strikeOne(network: Network, fault: Fault, inFlight: number | undefined): Promise<Strike> {
  const part = network.part(fault.part);
  const begunMs = performance.now();
  switch (fault.kind) {
    case 'kill':
      await part.kill();
      await sleep(fault.heldMs);
      await part.start();
      break;
    case 'pause':
      part.pause();
      await sleep(fault.heldMs);
      part.resume();
      break;
    case 'cut':
      network.cutOff(fault.part);
      await sleep(fault.heldMs);
      network.mendLinks();
      break;
    case 'restart':
      await part.stop();
      await sleep(fault.heldMs);
      await part.start();
      break;
  }
  return { fault, inFlight, mendedMs: Math.round(performance.now() - begunMs) };
}

/** Looks until it is so, or the patience is over; a look that fails counts as no. */
async function untilSo(look: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (performance.now() < endMs && !(await look().catch(() => false))) {
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}
