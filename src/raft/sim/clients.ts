/**
 * Clients of the replicated log: each has one command on its way at a time, and writes down what it saw.
 *
 * A command that may have been applied is tried again under the number it had (sessions); one whose outcome stays unknown
 * is written down as such, and may take effect at any time after. Reads go to whoever says that it leads.
 */
import { ZkraftError } from '../../common/index.ts';
import { encodeKvCommand, type KvCommand } from '../kv/index.ts';
import type { Host } from './host.ts';
import type { KvInput } from './kv-model.ts';
import type { World } from './world.ts';

export interface Seen {
  readonly client: number;
  readonly input: KvInput;
  /** `undefined`: not known. */
  readonly output: string | undefined;
  readonly call: number;
  readonly return: number;
}

const THINK_MS_MAX = 30_000;
const LOOK_EVERY_MS = 40;
const TRY_LIMIT_MS = 4_000;
const OPERATION_LIMIT_MS = 15_000;
const PAUSE_BETWEEN_TRIES_MS = 120;
/** Keys change, so that no value grows for long. */
const OPERATIONS_PER_GENERATION = 60;
const KEYS_PER_GENERATION = 3;

/** What came of one try. */
type Outcome = { readonly result: string } | 'nothing-done' | 'unknown' | 'no-session';

export class Client {
  readonly #id: number;
  readonly #world: World;
  #session: number | undefined;
  #sequence = 0;
  #tokens = 0;
  #lastHost: Host | undefined;

  constructor(id: number, world: World) {
    this.#id = id;
    this.#world = world;
  }

  /** Until the world says that it is enough. */
  async run(): Promise<void> {
    const { random, profile } = this.#world;
    while (this.#world.isOpen) {
      await this.#world.pause(Math.min(random.exponential(profile.thinkMs), THINK_MS_MAX));
      const key = keyOfNow(this.#world);
      const draw = random.unit();
      if (draw < 0.4) await this.#read(key);
      else if (draw < 0.9) await this.#write({ kind: 'append', key, value: this.#token() });
      else if (draw < 0.96) await this.#writeOnce({ kind: 'append', key, value: this.#token() });
      else await this.#write({ kind: 'put', key, value: this.#token() });
    }
  }

  #token(): string {
    this.#tokens += 1;
    return `${this.#id}.${this.#tokens};`;
  }

  async #read(key: string): Promise<void> {
    const host = this.#chooseForRead();
    if (host !== undefined) await readFrom(this.#world, this.#id, host, key);
  }

  /** Without a session: it is not tried again. */
  async #writeOnce(command: KvCommand): Promise<void> {
    const call = this.#world.nowMs;
    const outcome = await this.#try((host) => host.node?.propose(encodeKvCommand(command)));
    if (typeof outcome === 'object') this.#note(command, outcome.result, call);
    else if (outcome === 'unknown') this.#noteUnknown(command, call);
  }

  async #write(command: KvCommand): Promise<void> {
    const call = this.#world.nowMs;
    const endMs = call + OPERATION_LIMIT_MS;
    const id = this.#session ?? (await this.#openSession(endMs));
    if (id === undefined) return;
    this.#sequence += 1;
    const session = { id, sequence: this.#sequence };
    let isUncertain = false;
    while (this.#world.nowMs < endMs) {
      const outcome = await this.#try((host) => host.node?.propose(encodeKvCommand(command), { session }));
      if (typeof outcome === 'object') {
        if (isUncertain) this.#world.coverage.add('commandsRepeated');
        this.#note(command, outcome.result, call);
        return;
      }
      if (outcome === 'no-session') break;
      if (outcome === 'unknown') isUncertain = true;
      await this.#world.pause(PAUSE_BETWEEN_TRIES_MS);
    }
    // Its number may come true later: none of this session may follow it.
    this.#session = undefined;
    if (isUncertain) this.#noteUnknown(command, call);
  }

  async #openSession(endMs: number): Promise<number | undefined> {
    while (this.#world.nowMs < endMs) {
      const outcome = await this.#try(async (host) => {
        const id = await host.node?.openSession();
        return id === undefined ? undefined : { result: String(id) };
      });
      if (typeof outcome === 'object') {
        this.#session = Number(outcome.result);
        this.#sequence = 0;
        return this.#session;
      }
      await this.#world.pause(PAUSE_BETWEEN_TRIES_MS);
    }
    return undefined;
  }

  async #try(ask: Ask): Promise<Outcome> {
    const host = this.#chooseForWrite();
    if (host === undefined) return 'nothing-done';
    const outcome = await tryAt(this.#world, host, ask);
    this.#lastHost = typeof outcome === 'object' ? host : undefined;
    return outcome;
  }

  #chooseForWrite(): Host | undefined {
    if (this.#lastHost?.isUp === true) return this.#lastHost;
    const { random } = this.#world;
    const leaders = leadersOf(this.#world);
    return leaders.length > 0 && random.happens(0.8) ? random.pick(leaders) : random.pick(this.#up());
  }

  #chooseForRead(): Host | undefined {
    const leaders = leadersOf(this.#world);
    return this.#world.random.pick(leaders.length > 0 ? leaders : this.#up());
  }

  #up(): Host[] {
    return this.#world.hosts.filter((host) => host.isUp);
  }

  #note(input: KvInput, output: string, call: number): void {
    this.#world.history.push({ client: this.#id, input, output, call, return: this.#world.nowMs });
  }

  #noteUnknown(input: KvInput, call: number): void {
    this.#world.history.push({
      client: this.#id,
      input,
      output: undefined,
      call,
      return: Number.POSITIVE_INFINITY,
    });
  }
}

/**
 * Reads where an answer is likely to be old: from a leader as soon as it is one, what was written last; and where two say
 * that they lead, it writes at the newer one, and then reads from the one of the past.
 */
export class Onlooker {
  readonly #id: number;
  readonly #world: World;
  #tokens = 0;
  #term = 0;

  constructor(id: number, world: World) {
    this.#id = id;
    this.#world = world;
  }

  async run(): Promise<void> {
    while (this.#world.isOpen) {
      await this.#world.pause(this.#world.random.exponential(LOOK_EVERY_MS));
      const leaders = leadersOf(this.#world).sort((a, b) => termOf(a) - termOf(b));
      const [past] = leaders;
      const newest = leaders.at(-1);
      if (past === undefined || newest === undefined) continue;
      if (termOf(newest) !== this.#term) {
        this.#term = termOf(newest);
        await readFrom(this.#world, this.#id, newest, this.#keyWrittenLast());
      } else if (past !== newest) {
        const key = keyOfNow(this.#world);
        await this.#write(newest, key);
        await readFrom(this.#world, this.#id, past, key);
      }
    }
  }

  #keyWrittenLast(): string {
    const last = this.#world.history.findLast(({ input }) => input.kind !== 'get');
    return last?.input.key ?? keyOfNow(this.#world);
  }

  async #write(host: Host, key: string): Promise<void> {
    this.#tokens += 1;
    const input = { kind: 'append', key, value: `${this.#id}.${this.#tokens};` } as const;
    const call = this.#world.nowMs;
    const outcome = await tryAt(this.#world, host, ({ node }) => node?.propose(encodeKvCommand(input)));
    if (outcome === 'nothing-done' || outcome === 'no-session') return;
    const isKnown = outcome !== 'unknown';
    this.#world.history.push({
      client: this.#id,
      input,
      output: isKnown ? outcome.result : undefined,
      call,
      return: isKnown ? this.#world.nowMs : Number.POSITIVE_INFINITY,
    });
  }
}

/** All that think so. */
const leadersOf = ({ hosts }: World): Host[] => hosts.filter(({ node }) => node?.outline().state === 'Leader');
const termOf = ({ node }: Host): number => node?.outline().term ?? 0;

function keyOfNow({ random, history }: World): string {
  const generation = Math.floor(history.length / OPERATIONS_PER_GENERATION);
  return `k${generation}.${random.below(KEYS_PER_GENERATION)}`;
}

type Ask = (host: Host) => Promise<{ readonly result: string } | undefined> | undefined;

async function tryAt(world: World, host: Host, ask: Ask): Promise<Outcome> {
  const asked = ask(host);
  world.touched(host);
  if (asked === undefined) return 'nothing-done';
  try {
    const answer = await world.within(TRY_LIMIT_MS, asked);
    return answer === undefined ? 'unknown' : { result: answer.result };
  } catch (error) {
    const { code } = ZkraftError.from(error);
    if (code === 'session_expired') return 'no-session';
    if (code !== 'outcome_unknown' && code !== 'internal') return 'nothing-done';
    world.coverage.add('proposalsUnknown');
    return 'unknown';
  }
}

async function readFrom(world: World, client: number, host: Host, key: string): Promise<void> {
  const call = world.nowMs;
  const read = host.node?.readIndex().then(() => host.machine?.kv.get(key));
  world.touched(host);
  const value = await world.within(TRY_LIMIT_MS, Promise.resolve(read)).catch(() => undefined);
  if (value === undefined) return;
  world.coverage.add('reads');
  world.history.push({ client, input: { kind: 'get', key }, output: value, call, return: world.nowMs });
}
