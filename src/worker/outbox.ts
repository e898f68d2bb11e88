/**
 * Reports that the coordinator has not answered yet.
 *
 * A report is sent until it is acknowledged or refused for good, over any number of connections and leaders; there is
 * no time after which a finished proof is given up. Refused for good means: the coordinator itself said, typed, that
 * trying again cannot help (`stale_lease` above all). What only the transport says, or what is about the worker's
 * credentials and not about the proof, never ends a report. Completions are put on disk before they are first sent.
 */
import type { Logger } from '../common/index.ts';
import { type Lease, RemoteError } from '../common/rpc/index.ts';
import { type BackoffOptions, createBackoff } from './backoff.ts';
import { type Clock, sleep } from './clock.ts';
import type { Connection } from './connection.ts';
import { leaseKey } from './lease.ts';
import type { CompletionReport, Report } from './report.ts';
import type { Spool } from './spool.ts';
import { isFinal, isFinalForOther } from './verdict.ts';

/** Reports under way at the same time: a replay of a full spool must not flood a leader that has just begun. */
const SENDING_MAX = 8;

export type Settlement = 'acknowledged' | 'stale' | 'refused';

export interface OutboxOptions {
  readonly workerId: string;
  /** Waits for a registered connection; rejects once `signal` fires. */
  readonly connected: (signal: AbortSignal) => Promise<Connection>;
  readonly spool: Spool | undefined;
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** `tookMs`: from when the outbox took the report over. */
  readonly onSettled: (report: Report, settlement: Settlement, tookMs: number) => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #pending = new Map<string, Report>();
  readonly #stop = new AbortController();
  readonly #turns: (() => void)[] = [];
  #sending = 0;
  #emptied: (() => void)[] = [];

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#pending.size;
  }

  has(key: string): boolean {
    return this.#pending.has(key);
  }

  leases(): Lease[] {
    return [...this.#pending.values()].map(({ lease }) => lease);
  }

  /** Takes the report over. `spooled`: it is on disk already. */
  add(report: Report, spooled = false): void {
    const key = leaseKey(report.lease);
    if (this.#pending.has(key)) return;
    this.#pending.set(key, report);
    void this.#deliver(key, report, spooled);
  }

  /** Resolves when nothing is pending, or when `signal` fires. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.#pending.size > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#emptied.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** Stops sending. What is on disk stays there for the next process. */
  close(): void {
    this.#stop.abort();
    for (const turn of this.#turns.splice(0)) turn();
  }

  async #deliver(key: string, report: Report, spooled: boolean): Promise<void> {
    const { clock, onSettled } = this.#options;
    const beganMs = clock.nowMs();
    if (report.kind === 'completion' && !spooled) await this.#spool(report);
    const settlement = await this.#send(report);
    if (settlement === undefined) return;
    if (report.kind === 'completion') await this.#unspool(report);
    this.#pending.delete(key);
    onSettled(report, settlement, clock.nowMs() - beganMs);
    if (this.#pending.size === 0) for (const resolve of this.#emptied.splice(0)) resolve();
  }

  /** Sends until there is an answer; undefined when the outbox was closed before. */
  async #send(report: Report): Promise<Settlement | undefined> {
    const { backoff, clock, random, connected } = this.#options;
    const signal = this.#stop.signal;
    const wait = createBackoff(backoff, random);
    const logger = this.#loggerOf(report);
    while (!signal.aborted) {
      const release = await this.#turn();
      try {
        const connection = await connected(signal);
        await (report.kind === 'completion' ? sendCompletion(connection, report) : sendFailure(connection, report));
        logger.info({ report: report.kind }, 'report acknowledged');
        return 'acknowledged';
      } catch (thrown) {
        if (signal.aborted) return undefined;
        const code = thrown instanceof RemoteError ? thrown.code : 'internal';
        const foreign = report.lease.workerId !== this.#options.workerId;
        if (isFinal(thrown) || (foreign && isFinalForOther(thrown))) {
          logger.warn({ report: report.kind, code }, 'the coordinator refused the report for good; dropping it');
          return code === 'stale_lease' ? 'stale' : 'refused';
        }
        logger.warn({ report: report.kind, code, tries: wait.attempts + 1 }, 'report not acknowledged; will try again');
      } finally {
        release();
      }
      await sleep(clock, wait.nextMs(), signal);
    }
    return undefined;
  }

  async #turn(): Promise<() => void> {
    if (this.#sending >= SENDING_MAX) await new Promise<void>((resolve) => this.#turns.push(resolve));
    else this.#sending += 1;
    return () => {
      const next = this.#turns.shift();
      if (next === undefined) this.#sending -= 1;
      else next();
    };
  }

  async #spool(report: CompletionReport): Promise<void> {
    try {
      await this.#options.spool?.put(report);
    } catch (error) {
      this.#loggerOf(report).error({ err: error }, 'the proof is not on disk, only in memory, until acknowledged');
    }
  }

  async #unspool(report: CompletionReport): Promise<void> {
    try {
      await this.#options.spool?.remove(report);
    } catch (error) {
      this.#loggerOf(report).warn({ err: error }, 'a spooled proof could not be removed; it will be sent once more');
    }
  }

  #loggerOf({ lease, requestId }: Report): Logger {
    return this.#options.logger.child({ request_id: requestId, lease: leaseKey(lease) });
  }
}

function sendCompletion(connection: Connection, report: CompletionReport): Promise<void> {
  const { lease, proof, publicSignals, backend, timings, requestId } = report;
  const wholeMs = (ms: number): bigint => BigInt(Math.max(0, Math.round(ms)));
  return connection.reportCompletion(
    {
      lease,
      proof,
      publicSignals: [...publicSignals],
      backend,
      timings: {
        queueMs: wholeMs(timings.queueMs),
        witnessMs: wholeMs(timings.witnessMs),
        proveMs: wholeMs(timings.proveMs),
        verifyMs: wholeMs(timings.verifyMs),
      },
    },
    requestId,
  );
}

function sendFailure(connection: Connection, report: Report & { kind: 'failure' }): Promise<void> {
  const { lease, code, message, requestId } = report;
  return connection.reportFailure({ lease, code, message }, requestId);
}
