/**
 * A client of the key-value map: writes in a session, so that each is applied once however often it is sent, and reads
 * that are current.
 *
 * It asks whichever replica answered last, and the next one when that refuses. It is one client in the sense of sessions
 * and of histories: its operations happen one after the other, in the order of the calls.
 */
import { ZkraftError } from '../../common/index.ts';
import { outcomeUnknown } from '../node/errors.ts';
import type { Runtime } from '../node/ports.ts';
import type { RaftNode } from '../node/raft-node.ts';
import { systemRuntime } from '../node/system-runtime.ts';
import { encodeKvCommand, type KvCommand } from './command.ts';

/** A node, and the machine that it was started with; or either of another process, asked over a channel. */
export interface KvReplica {
  readonly node: Pick<RaftNode<string>, 'propose' | 'openSession' | 'readIndex'>;
  readonly machine: { get(key: string): string | Promise<string> };
}

export interface KvClientOptions {
  /** Those that may be asked now; at least one. */
  readonly replicas: () => readonly KvReplica[];
  /** How long an operation is tried again before its last error is thrown. Default: 10,000. */
  readonly patienceMs?: number;
  /** Between two tries. Default: 10. */
  readonly retryMs?: number;
  readonly runtime?: Pick<Runtime, 'now' | 'after'>;
}

/** After these nothing of this try was done, nor will be. */
const DROPPED: ReadonlySet<string> = new Set([
  'not_leader',
  'overloaded',
  'disk_full',
  'invalid_request',
  'session_expired',
]);
/** Another try would be answered the same. */
const FINAL: ReadonlySet<string> = new Set(['invalid_request', 'session_expired']);

export class KvClient {
  readonly #replicas: () => readonly KvReplica[];
  readonly #patienceMs: number;
  readonly #retryMs: number;
  readonly #runtime: Pick<Runtime, 'now' | 'after'>;
  #session: number | undefined;
  #sequence = 0;
  #at = 0;
  /** The operation before, whatever became of it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ replicas, patienceMs = 10_000, retryMs = 10, runtime = systemRuntime }: KvClientOptions) {
    this.#replicas = replicas;
    this.#patienceMs = patienceMs;
    this.#retryMs = retryMs;
    this.#runtime = runtime;
  }

  /**
   * These three resolve to the value before, '' if there was none. They reject with `outcome_unknown` if the write may
   * have been applied or still may be; after any other error it never will be.
   */
  put(key: string, value: string): Promise<string> {
    return this.write({ kind: 'put', key, value });
  }

  append(key: string, value: string): Promise<string> {
    return this.write({ kind: 'append', key, value });
  }

  delete(key: string): Promise<string> {
    return this.write({ kind: 'delete', key });
  }

  write(command: KvCommand): Promise<string> {
    return this.#inTurn(() => this.#write(encodeKvCommand(command)));
  }

  /** The value once all that was committed when the read began is applied; '' if there is none. Linearizable. */
  get(key: string): Promise<string> {
    return this.#inTurn(() =>
      this.#retried(async ({ node, machine }) => {
        await node.readIndex();
        return await machine.get(key);
      }),
    );
  }

  async #write(data: Uint8Array): Promise<string> {
    const session = this.#session ?? (await this.#retried(({ node }) => node.openSession()));
    if (this.#session === undefined) this.#sequence = 0;
    this.#session = session;
    this.#sequence += 1;
    const options = { session: { id: session, sequence: this.#sequence } };
    let isInDoubt = false;
    try {
      return await this.#retried(async ({ node }) => {
        try {
          return (await node.propose(data, options)).result;
        } catch (error) {
          isInDoubt ||= !DROPPED.has(ZkraftError.from(error).code);
          throw error;
        }
      });
    } catch (error) {
      // What is known of a session ends with it: the next write begins another.
      if (ZkraftError.from(error).code === 'session_expired') this.#session = undefined;
      throw isInDoubt ? outcomeUnknown('the write was sent, and no answer came to it', error) : error;
    }
  }

  async #retried<T>(work: (replica: KvReplica) => Promise<T>): Promise<T> {
    const endMs = this.#runtime.now() + this.#patienceMs;
    for (;;) {
      const replicas = this.#replicas();
      const replica = replicas[this.#at % replicas.length];
      try {
        if (replica === undefined) throw new ZkraftError('not_leader', 'there is no replica to ask; try again');
        return await work(replica);
      } catch (error) {
        if (FINAL.has(ZkraftError.from(error).code) || this.#runtime.now() >= endMs) throw error;
        this.#at += 1;
        await new Promise<void>((resolve) => this.#runtime.after(this.#retryMs, resolve));
      }
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
