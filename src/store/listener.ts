/**
 * Hears PostgreSQL's notifications on a connection of its own.
 *
 * Notifications sent while nobody listens are lost, so whenever the connection is made, the first time included, each
 * subscriber's `resync` is called and looks for itself. The connection is opened with the first subscription, proved
 * alive now and then, and made again with a growing, jittered pause when it breaks.
 */
import { Client } from 'pg';
import { type Logger, ZkraftError } from '../common/index.ts';
import { clientConfig, type DatabaseOptions } from './connection.ts';
import { mapPgError } from './pg-errors.ts';

export interface Subscription {
  readonly notified: (payload: string) => void;
  readonly resync: () => void;
}

const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 2_000;
const PROBE_MS = 10_000;
const ANSWER_MS = 5_000;

export class Listener {
  readonly #options: DatabaseOptions;
  readonly #applicationName: string;
  readonly #logger: Logger;
  readonly #channels = new Map<string, Set<Subscription>>();
  #client: Client | undefined;
  #opening: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: DatabaseOptions, applicationName: string, logger: Logger) {
    this.#options = options;
    this.#applicationName = applicationName;
    this.#logger = logger;
  }

  /** Subscribes to a channel, a plain identifier. Returns the way to stop. */
  subscribe(channel: string, subscription: Subscription): () => void {
    if (this.#closed) throw new ZkraftError('shutting_down', 'the store is closed');
    const others = this.#channels.get(channel);
    if (others) others.add(subscription);
    else this.#channels.set(channel, new Set([subscription]));
    const client = this.#client;
    if (client) {
      client
        .query(`LISTEN ${channel}`)
        .then(() => subscription.resync())
        .catch(() => this.#drop(client));
    } else if (!this.#opening && !this.#timer) {
      this.#open();
    }
    return () => {
      this.#channels.get(channel)?.delete(subscription);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const client = this.#client ?? this.#opening;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  #open(): void {
    const client = new Client({
      ...clientConfig(this.#options, `${this.#applicationName}-listen`),
      query_timeout: ANSWER_MS,
    });
    this.#opening = client;
    client.on('error', () => this.#drop(client));
    client.on('end', () => this.#drop(client));
    client.on('notification', ({ channel, payload }) => {
      for (const { notified } of this.#channels.get(channel) ?? []) notified(payload ?? '');
    });
    this.#listen(client).catch((error: unknown) => {
      this.#opening = undefined;
      this.#failures += 1;
      if (this.#failures === 1 && !this.#closed) {
        this.#logger.warn({ reason: mapPgError(error, 'listening').message }, 'notifications are not heard');
      }
      void client.end().catch(() => {});
      this.#reopenLater();
    });
  }

  async #listen(client: Client): Promise<void> {
    await client.connect();
    // Channels that are added meanwhile are caught by the second look.
    const heard = new Set<string>();
    for (let more = true; more; ) {
      more = false;
      for (const channel of this.#channels.keys()) {
        if (heard.has(channel)) continue;
        await client.query(`LISTEN ${channel}`);
        heard.add(channel);
        more = true;
      }
    }
    this.#opening = undefined;
    if (this.#closed) {
      await client.end();
      return;
    }
    this.#client = client;
    if (this.#failures > 0) this.#logger.info('notifications are heard again');
    this.#failures = 0;
    this.#probeLater(client);
    for (const subscriptions of this.#channels.values()) {
      for (const { resync } of subscriptions) resync();
    }
  }

  /** A server that is gone without a word is noticed by asking it something. */
  #probeLater(client: Client): void {
    this.#timer = setTimeout(() => {
      client
        .query('SELECT 1')
        .then(() => {
          if (this.#client === client) this.#probeLater(client);
        })
        .catch(() => this.#drop(client));
    }, PROBE_MS);
    this.#timer.unref();
  }

  #drop(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#failures += 1;
    this.#logger.warn('the connection for notifications broke');
    void client.end().catch(() => {});
    this.#reopenLater();
  }

  #reopenLater(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#closed) return;
    const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** Math.min(this.#failures, 10));
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#open();
      },
      pauseMs * (0.5 + Math.random() / 2),
    );
    this.#timer.unref();
  }
}
