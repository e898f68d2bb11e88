/**
 * The chaos scenario: tasks go through a network of separate processes while its parts are killed, paused and
 * restarted; at the end all tasks have ended, none twice, none lost, and every proof verifies.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../support/seeded-random.ts';
import { type Accounts, settleAccounts } from './accounts.ts';
import { endAllChildren } from './child-program.ts';
import { planFaults } from './fault-plan.ts';
import { type Strike, strikeAll } from './fault-strikes.ts';
import { Network } from './network.ts';
import { type LoadCounts, makeRequests, TaskLoad } from './task-load.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly tasks: number;
  readonly faults: number;
  /** Told what happens, a line at a time. */
  readonly say: (line: string) => void;
  /** Of all of it. */
  readonly limitMs: number;
  /** Keeps logs and data when all went well, too. */
  readonly keep?: boolean;
}

export interface ChaosResult {
  readonly seed: number;
  readonly tasks: number;
  readonly strikes: readonly Strike[];
  readonly load: LoadCounts;
  readonly accounts: Accounts;
  /** Starts that found the database away, and were tried again as a supervisor does. */
  readonly startsRepeated: number;
  /** Lines of logs that tell of a fault of ours. */
  readonly faultsLogged: readonly string[];
  /** From the first task let in to the last proof verified. */
  readonly durationMs: number;
}

/** Small, so that proofs take moments and faults meet many of them; three circuits. */
const DEPTHS = [2, 4, 8];
const LOOK_AGAIN_MS = 500;

/** Rejects when a part ends by itself, does not start or stop, or a limit is passed; nothing is left behind then. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, tasks, say } = options;
  const abort = new AbortController();
  const limit = setTimeout(() => {
    abort.abort(new Error(`the scenario takes longer than ${options.limitMs / 1_000} s`));
  }, options.limitMs);
  const onExit = (): void => endAllChildren();
  process.once('exit', onExit);
  let network: Network | undefined;
  try {
    say('starting PostgreSQL, coordinator, gateway and two workers; making keys');
    network = await Network.start({ depths: DEPTHS, onAccident: (error) => abort.abort(error) });
    const begunMs = performance.now();
    const { strikes, load } = await strikeUnderLoad(network, options, abort);
    await untilAllEnded(network, say, abort.signal);
    say(`verifying ${tasks} proofs`);
    const accounts = await settleAccounts(network, load.submissions);
    const durationMs = Math.round(performance.now() - begunMs);
    const faultsLogged = network.faultsLogged();
    say('stopping all parts');
    await network.stop();
    const startsRepeated = [...network.parts.values()].reduce((sum, part) => sum + part.startsRepeated, 0);
    const well = accounts.wrong.length + faultsLogged.length === 0;
    if (well && options.keep !== true) await network.remove();
    else say(`logs and data are kept in ${network.dir}`);
    return { seed, tasks, strikes, load: load.counts, accounts, startsRepeated, faultsLogged, durationMs };
  } catch (error) {
    if (network !== undefined) say(`logs and data are kept in ${network.dir}`);
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(limit);
    endAllChildren();
    process.off('exit', onExit);
  }
}

/** Each fault lets in its share of the tasks, so that from the first to the last there is something to lose. */
async function strikeUnderLoad(network: Network, options: ChaosOptions, abort: AbortController) {
  const { seed, tasks, faults, say } = options;
  const random = new SeededRandom(seed);
  const plan = planFaults(random, faults);
  const requests = makeRequests(random, tasks, DEPTHS);
  const load = new TaskLoad({ requests, random, url: network.gatewayUrl, signal: abort.signal });
  const submitting = load.run();
  submitting.catch((error: unknown) => abort.abort(error));
  const strikes = await strikeAll({
    network,
    plan,
    signal: abort.signal,
    onNext: (number) => load.letIn(Math.ceil((tasks * (number + 1)) / faults)),
    onStruck: (number, { fault, inFlight, mendedMs }) => {
      const met = inFlight === undefined ? 'nobody to ask for proofs' : `${inFlight} proofs in flight`;
      const overlaps = fault.overlaps ? ', during the one before' : '';
      say(`fault ${number + 1}/${faults}: ${fault.kind} ${fault.part}${overlaps}; ${met}; mended in ${mendedMs} ms`);
    },
  });
  load.letIn(tasks);
  await submitting;
  return { strikes, load };
}

async function untilAllEnded(network: Network, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const count = `SELECT count(*)::int AS open FROM tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')`;
  for (let shown = -1; ; ) {
    const [row] = await network.query<{ open: number }>(count);
    if (row?.open === 0) return;
    if (row !== undefined && row.open !== shown) say(`${row.open} tasks have not ended yet`);
    shown = row?.open ?? shown;
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}
