/**
 * The chaos scenario: tasks go through a network of separate processes while its parts are killed, paused and
 * restarted; at the end all tasks have ended, none twice, none lost, and every proof verifies.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../support/seeded-random.ts';
import { type Accounts, settleAccounts } from './accounts.ts';
import { planFaults } from './fault-plan.ts';
import { type Strike, strikeAll } from './fault-strikes.ts';
import { Network } from './network.ts';
import { type LoadCounts, makeRequests, TaskLoad } from './task-load.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** The most, both: `forMs` may end it before. */
  readonly tasks: number;
  readonly faults: number;
  /** No fault begins after so long. Default: when all are struck. */
  readonly forMs?: number;
  /** Told what happens, a line at a time. */
  readonly say: (line: string) => void;
  /** Of all of it. */
  readonly limitMs: number;
  /** Keeps logs and data when all went well, too. */
  readonly keep?: boolean;
  /** Ends the scenario early, and leaves nothing behind. */
  readonly signal?: AbortSignal;
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
  /** Indexes at which several coordinators told of their state. */
  readonly statesCompared: number;
  /** From the first task let in to the last proof verified. */
  readonly durationMs: number;
}

/** Small, so that proofs take moments and faults meet many of them; three circuits. */
const DEPTHS = [2, 4, 8];
const LOOK_AGAIN_MS = 500;
const STEADY_MS = 1_000;
/** Tasks open besides one fault's share, so that workers never wait for the next fault. */
const BACKLOG_MORE = 4;

/**
 * Rejects when a part ends by itself, does not start or stop, or the limit is passed. No process is left behind then,
 * but logs and data are, unless `signal` fired.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { say, signal } = options;
  const abort = new AbortController();
  const stop = (error: unknown): void => abort.abort(error);
  const limit = setTimeout(() => {
    stop(new Error(`the scenario takes longer than ${options.limitMs / 1_000} s`));
  }, options.limitMs);
  const network = await Network.prepare({ depths: DEPTHS, onAccident: stop });
  const onExit = (): void => network.killAll();
  process.once('exit', onExit);
  signal?.addEventListener('abort', () => stop(signal.reason), { once: true });
  // Whatever waits for a part then fails at once.
  abort.signal.addEventListener('abort', onExit, { once: true });
  let keep = true;
  try {
    const result = await runOn(network, options, abort);
    keep = options.keep === true || result.accounts.wrong.length + result.faultsLogged.length > 0;
    return result;
  } catch (error) {
    keep = signal?.aborted !== true;
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(limit);
    await network.endAll();
    process.off('exit', onExit);
    if (keep) say(`logs and data are kept in ${network.dir}`);
    else await network.remove();
  }
}

async function runOn(network: Network, options: ChaosOptions, abort: AbortController): Promise<ChaosResult> {
  const { seed, say } = options;
  say('starting PostgreSQL, three coordinators, gateway and two workers; making keys');
  await network.start();
  const begunMs = performance.now();
  const { strikes, load } = await strikeUnderLoad(network, options, abort);
  await untilAllEnded(network, say, abort.signal);
  const tasks = load.submissions.length;
  say(`verifying ${tasks} proofs`);
  const accounts = await settleAccounts(network, load.submissions);
  const durationMs = Math.round(performance.now() - begunMs);
  say('stopping all parts');
  await network.stop();
  const startsRepeated = [...network.parts.values()].reduce((sum, part) => sum + part.startsRepeated, 0);
  const faultsLogged = network.faultsLogged();
  const states = network.comparedStates();
  const wrong = [...accounts.wrong, ...states.wrong];
  return {
    seed,
    tasks,
    strikes,
    load: load.counts,
    accounts: { ...accounts, wrong },
    startsRepeated,
    faultsLogged,
    statesCompared: states.compared,
    durationMs,
  };
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
  // Where time is the measure, some are on their way at any moment, whatever is struck.
  const steady = options.forMs === undefined ? undefined : setInterval(() => load.letInOne(), STEADY_MS);
  abort.signal.addEventListener('abort', () => clearInterval(steady), { once: true });
  const strikes = await strikeAll({
    network,
    plan,
    forMs: options.forMs,
    backlogMax: Math.ceil(tasks / faults) + BACKLOG_MORE,
    signal: abort.signal,
    onNext: (number) => load.letIn(Math.ceil((tasks * (number + 1)) / faults)),
    onStruck: (number, { fault, inFlight, mendedMs }) => {
      const met = inFlight === undefined ? 'nobody to ask for proofs' : `${inFlight} proofs in flight`;
      const overlaps = fault.overlaps ? ', during the one before' : '';
      say(`fault ${number + 1}/${faults}: ${fault.kind} ${fault.part}${overlaps}; ${met}; mended in ${mendedMs} ms`);
    },
  });
  clearInterval(steady);
  if (strikes.length === faults) load.letIn(tasks);
  else load.end();
  say('the last fault is mended; waiting for all tasks to end');
  await submitting;
  return { strikes, load };
}

async function untilAllEnded(network: Network, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  for (let shown = 0; ; ) {
    const open = await network.openTasks();
    if (open === 0) return;
    if (open !== shown) say(`${open} tasks have not ended yet`);
    shown = open;
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}
