/** One seed, from its world to the verdict. */
import type { Covered } from './coverage.ts';
import { kvModel } from './kv-model.ts';
import { checkHistory } from './linearizability.ts';
import type { ProfileName } from './profile.ts';
import { type Invariant, Violation } from './violation.ts';
import { World } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Of a tenth of an election timeout. */
  readonly ticks: number;
  readonly profile?: ProfileName;
  readonly keepLines?: number;
}

export interface SimulationResult {
  readonly seed: number;
  readonly ticks: number;
  readonly traceHash: string;
  readonly events: number;
  readonly faults: number;
  readonly operations: number;
  readonly coverage: Readonly<Record<Covered, number>>;
  readonly violation: { readonly invariant: Invariant; readonly message: string } | undefined;
  readonly lines: readonly string[];
}

const ELECTION_TIMEOUTS_TO_RECOVER = 10;
/** More than any operation may take. */
const CLIENTS_LIMIT_MS = 60_000;
const MISFITS_SHOWN = 5;
const HISTORY_STEPS_MAX = 5_000_000;

export async function simulate({ seed, ticks, profile, keepLines }: SimulationOptions): Promise<SimulationResult> {
  const world = new World({ seed, ticks, ...(profile && { profile }), ...(keepLines && { keepLines }) });
  await world.run();
  if (world.violation === undefined) await recover(world);
  const violation = world.violation ?? exactlyOnce(world) ?? linearizable(world);
  const { trace, coverage, history } = world;
  return {
    seed,
    ticks,
    traceHash: trace.hash(),
    events: trace.events,
    faults: coverage.faults,
    operations: history.length,
    coverage: coverage.toJSON(),
    violation: violation && { invariant: violation.invariant, message: violation.message },
    lines: trace.lines(),
  };
}

/** Healed, it has a leader within ten election timeouts, commits, and all members come to the same state. */
async function recover(world: World): Promise<void> {
  world.heal();
  const { electionTimeoutMs } = world.profile;
  const leaders = () => world.hosts.filter(({ node }) => node?.outline().state === 'Leader');
  const hasOneLeader = (): boolean => leaders().length === 1 && leaders()[0]?.node?.status().leaderId !== undefined;
  const limitMs = ELECTION_TIMEOUTS_TO_RECOVER * electionTimeoutMs;
  if (!(await world.runUntil(world.nowMs + limitMs, hasOneLeader))) {
    const states = world.hosts.map(({ name, node }) => `${name} ${node?.outline().state ?? 'down'}`).join(', ');
    return world.oracle.violated('recovery', `no leader within ${ELECTION_TIMEOUTS_TO_RECOVER} timeouts: ${states}`);
  }
  let isCommitted = false;
  void (async () => {
    while (!isCommitted && world.violation === undefined) {
      const [leader] = leaders();
      const asked = leader?.node?.propose(new Uint8Array(0));
      if (leader !== undefined) world.touched(leader);
      isCommitted = (await world.within(5_000, Promise.resolve(asked)).catch(() => undefined)) !== undefined;
      if (!isCommitted) await world.pause(100);
    }
  })();
  if (!(await world.runUntil(world.nowMs + 3 * limitMs, () => isCommitted))) {
    return world.oracle.violated('recovery', 'healed, and with a leader, nothing is committed any more');
  }
  if (!(await world.runUntil(world.nowMs + CLIENTS_LIMIT_MS, () => world.clientsAtWork === 0))) {
    return world.oracle.violated('recovery', 'a client never got to the end of its last operation');
  }
  await world.runUntil(world.nowMs + 6 * limitMs, () => difference(world) === undefined);
  const found = difference(world);
  if (found !== undefined) world.oracle.violated('recovery', found);
}

/** Between the members, all of whom are up: in what they have applied, and in what came of it. */
function difference(world: World): string | undefined {
  const leader = world.hosts.find(({ node }) => node?.outline().state === 'Leader');
  const confState = leader?.node?.confState;
  if (leader?.machine === undefined || confState === undefined) return 'nobody leads';
  const index = leader.node?.outline().commitIndex;
  for (const { nodeId, name, node, machine } of world.hosts) {
    if (![...confState.voters, ...confState.learners].includes(nodeId)) continue;
    const applied = node?.outline().appliedIndex;
    if (applied !== index) return `${name} has applied ${applied} of ${index}`;
    if (machine?.chain !== leader.machine.chain) return `${name} has another history than ${leader.name}`;
    if (machine.kv.hash() !== leader.machine.kv.hash()) return `${name} has another state than ${leader.name}`;
  }
  return undefined;
}

function exactlyOnce({ history, hosts }: World): Violation | undefined {
  const kv = hosts.find(({ node }) => node?.outline().state === 'Leader')?.machine?.kv;
  if (kv === undefined) return new Violation('recovery', 'nobody leads');
  // A put throws away what was there: with one on the key, only "not twice" can be said.
  const overwritten = new Set(history.flatMap(({ input }) => (input.kind === 'put' ? [input.key] : [])));
  for (const { input, output } of history) {
    if (input.kind !== 'append') continue;
    const times = kv
      .get(input.key)
      .split(';')
      .filter((token) => `${token};` === input.value).length;
    const isLost = times === 0 && output !== undefined && !overwritten.has(input.key);
    if (times > 1 || isLost) {
      return new Violation('exactly-once', `${input.value} of key ${input.key} is in the state ${times} times`);
    }
  }
  return undefined;
}

function linearizable({ history }: World): Violation | undefined {
  const checked = checkHistory(kvModel, history, { maxSteps: HISTORY_STEPS_MAX });
  if (checked.verdict === 'linearizable') return undefined;
  if (checked.verdict === 'undecided') {
    return new Violation('linearizability', `not decided within ${checked.steps} steps: nobody knows`);
  }
  const { linearized, misfits } = checked;
  const [first, ...others] = misfits.map((one) => JSON.stringify(one));
  const rest = others.slice(0, MISFITS_SHOWN).join(', ');
  return new Violation(
    'linearizability',
    `after ${linearized.length} operations there is no place for ${first}; nor ${rest}`,
  );
}
