/**
 * Clients that write and read without end, and the history of what they were told.
 *
 * Half of them try a write again until it is answered. The others give up soon: such a write has an unknown outcome, and
 * must still not be applied twice. Keys are of an age: after so many operations all go on with new ones, so that no key
 * has a history that is long.
 */
import {
  checkHistory,
  type HistoryVerdict,
  KvClient,
  type KvInput,
  type KvOperation,
  kvModel,
} from '../../../src/raft/index.ts';
import { type ProcessBed, pause } from '../../support/raft-processes.ts';

const KEYS = 8;
const AGE_OPERATIONS = 2_000;
const PATIENT_MS = 60_000;
const IMPATIENT_MS = 150;
/** Between two operations of a client, at most. */
const REST_MS = 4;

export interface Tally {
  readonly operations: number;
  readonly acknowledgedWrites: number;
  readonly reads: number;
  readonly unknown: number;
}

export class Clients {
  readonly history: KvOperation[] = [];
  readonly #bed: ProcessBed;
  readonly #done: Promise<void>[];
  #isOver = false;
  #acknowledged = 0;

  constructor(bed: ProcessBed, count: number) {
    this.#bed = bed;
    this.#done = Array.from({ length: count }, (_, client) => this.#run(client));
  }

  /** Until `count` more writes are acknowledged than now. */
  async more(count: number): Promise<void> {
    const aim = this.#acknowledged + count;
    const endMs = performance.now() + 60_000;
    while (this.#acknowledged < aim) {
      if (performance.now() > endMs) throw new Error(`only ${this.#acknowledged} of ${aim} writes in 60 s`);
      await pause(2);
    }
  }

  /** Ends them, and reads every key of this age once more: what was acknowledged must be in it. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#done);
    const last = this.#client(PATIENT_MS);
    for (let key = 0; key < KEYS; key += 1)
      await this.#record(this.#done.length, last, { kind: 'get', key: this.#key(key) });
  }

  check(): HistoryVerdict<KvInput, string> {
    return checkHistory(kvModel, this.history);
  }

  get tally(): Tally {
    const reads = this.history.filter(({ input }) => input.kind === 'get').length;
    const unknown = this.history.filter((operation) => operation.return === Number.POSITIVE_INFINITY).length;
    return { operations: this.history.length, acknowledgedWrites: this.#acknowledged, reads, unknown };
  }

  async #run(number: number): Promise<void> {
    const client = this.#client(number % 2 === 0 ? PATIENT_MS : IMPATIENT_MS);
    for (let i = 0; !this.#isOver; i += 1) {
      await this.#record(number, client, someInput(this.#key(below(KEYS)), `${number}.${i} `));
      await pause(below(REST_MS));
    }
  }

  #client(patienceMs: number): KvClient {
    return new KvClient({ patienceMs, retryMs: 2, replicas: () => this.#bed.replicas() });
  }

  async #record(number: number, client: KvClient, input: KvInput): Promise<void> {
    const operation = { client: number, input, call: performance.now() };
    try {
      const output = await (input.kind === 'get' ? client.get(input.key) : client.write(input));
      this.history.push({ ...operation, output, return: performance.now() });
      if (input.kind !== 'get') this.#acknowledged += 1;
    } catch (error) {
      // After any other error a write was not applied, and never will be; a read that failed says nothing.
      if (input.kind === 'get' || (error as { code?: string }).code !== 'outcome_unknown') return;
      this.history.push({ ...operation, output: undefined, return: Number.POSITIVE_INFINITY });
    }
  }

  #key(number: number): string {
    return `${Math.floor(this.history.length / AGE_OPERATIONS)}/${number}`;
  }
}

const below = (bound: number): number => Math.floor(Math.random() * bound);

/** Two reads in five; values are never the same twice, so that what is read tells who wrote it. */
function someInput(key: string, value: string): KvInput {
  const die = below(10);
  if (die < 4) return { kind: 'get', key };
  if (die < 8) return { kind: 'append', key, value };
  return die === 8 ? { kind: 'put', key, value } : { kind: 'delete', key };
}

/** A verdict as an assertion says it: '' for a history that is linearizable. */
export function complaint(found: HistoryVerdict<KvInput, string>): string {
  if (found.verdict === 'linearizable') return '';
  const line = ({ client, input, output, call, ...operation }: KvOperation): string =>
    `  client ${client}, ${call.toFixed(1)} to ${operation.return.toFixed(1)} ms: ${JSON.stringify(input)} gave ${JSON.stringify(output)}`;
  return [
    `${found.verdict} after ${found.steps} steps; the last that have an order:`,
    ...found.linearized.slice(-8).map(line),
    'and what does not fit:',
    ...found.misfits.map(line),
  ].join('\n');
}
