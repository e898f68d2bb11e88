/**
 * A gateway under attack: on PostgreSQL, asking for keys of the database, with clients that are told apart by address.
 *
 * Clients write to sockets from loopback addresses of their own (127.0.0.x), so that what counts by address can be
 * tried on one machine.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { newApiKey, openStore, type Scope, type Store } from '../../src/store/index.ts';
import { makeMerkleKeys } from '../support/merkle-circuits.ts';
import { startTestPostgres } from '../support/postgres.ts';
import { startVictim, type Victim, type VictimOptions } from './victim.ts';

export const DEPTH = 3;
export const HONEST_ADDRESS = '127.0.0.1';
export const HOSTILE_ADDRESS = '127.0.0.66';

export interface Front {
  readonly victim: Victim;
  readonly port: number;
  readonly store: Store;
  /** A new key of the name, as it is sent: `Bearer ...`. */
  key(name: string, scopes?: readonly Scope[], expiresInMs?: number): Promise<string>;
  close(): Promise<void>;
}

export async function startFront(gateway: VictimOptions['gateway'] = {}): Promise<Front> {
  const [postgres, keys] = await Promise.all([startTestPostgres(), makeMerkleKeys(DEPTH)]);
  const connectionString = await postgres.createDatabase();
  const store = await openStore({ connectionString });
  const victim = await startVictim({
    role: 'gateway',
    connectionString,
    artifactsDir: keys.dir,
    gateway: { keyed: true, defaultDepth: DEPTH, ...gateway },
  });
  return {
    victim,
    port: victim.ports.http ?? 0,
    store,
    key: async (name, scopes = ['submit', 'read', 'cancel'], expiresInMs) => {
      const { key, hash } = newApiKey();
      const made = { name, hash, scopes, ...(expiresInMs === undefined ? {} : { expiresInMs }) };
      await store.keys.create(made, { actor: 'test', requestId: 'test' });
      return `Bearer ${key}`;
    },
    close: async () => {
      await victim.stop();
      await store.close();
      await postgres.stop();
      await keys.remove();
    },
  };
}

export interface Reply {
  readonly status: number;
  readonly head: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly json: any;
}

const CRLF = '\r\n';

/** One request as text; `headers` as they go over the wire, none added but Host, length and Connection: close. */
export function requestText(method: string, path: string, headers: readonly string[] = [], body?: string): string {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...length, 'Connection: close', ...headers];
  return `${lines.join(CRLF)}${CRLF}${CRLF}${body ?? ''}`;
}

export function dial(port: number, localAddress: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
  socket.on('error', () => {});
  return socket;
}

/** Writes the pieces (milliseconds are waits) and resolves with all that came until the other side ended. */
export async function exchange(
  port: number,
  pieces: readonly (string | Uint8Array | number)[],
  localAddress = HOSTILE_ADDRESS,
  limitMs = 15_000,
): Promise<string> {
  const socket = dial(port, localAddress);
  const received: Uint8Array[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)));
  for (const piece of pieces) {
    if (socket.destroyed) break;
    if (typeof piece === 'number') await sleep(piece);
    else socket.write(piece);
  }
  const timer = new AbortController();
  const late = sleep(limitMs, false, { signal: timer.signal }).catch(() => false);
  const ended = await Promise.race([closed, late]);
  timer.abort();
  socket.destroy();
  if (!ended) throw new Error(`the connection was still open after ${limitMs} ms`);
  return Buffer.concat(received).toString('utf8');
}

/** Each answer in `text`. */
export function repliesIn(text: string): Reply[] {
  return text
    .split(/(?=HTTP\/1\.1 \d{3} )/)
    .filter((part) => part.startsWith('HTTP/1.1 '))
    .map((part) => {
      const [head = '', body = ''] = part.split(`${CRLF}${CRLF}`);
      return { status: Number(head.split(' ')[1]), head, json: body.startsWith('{') ? JSON.parse(body) : undefined };
    });
}

/** One request from `localAddress`, and its answer. */
export async function ask(
  port: number,
  method: string,
  path: string,
  headers: readonly string[] = [],
  body?: unknown,
  localAddress = HOSTILE_ADDRESS,
): Promise<Reply> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const type = text === undefined ? [] : ['Content-Type: application/json'];
  const answer = await exchange(port, [requestText(method, path, [...type, ...headers], text)], localAddress);
  const [reply] = repliesIn(answer);
  if (reply === undefined) throw new Error(`no answer to ${method} ${path}: ${answer.slice(0, 200)}`);
  return reply;
}
