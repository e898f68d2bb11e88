/**
 * Who asks. An API key travels as `Authorization: Bearer KEY`; only its SHA-256 is known here, and the key's name owns
 * the tasks that are submitted with it.
 *
 * Keys of the settings are compared by digest, in constant time and always against all of them, so that time tells
 * neither how much of a key is right nor which one it was. They work without a database. Other keys are looked up in
 * the database, and what was found is believed for `KNOWN_MS`: a revocation is in force after that at the latest. When
 * the database cannot be asked, the look-up rejects with `database_unavailable`; nobody passes on a guess. What is
 * unknown, expired or revoked is not remembered and not told apart. A key must be random (32 bytes, say): a digest
 * does not slow a guesser down.
 */
import { timingSafeEqual } from 'node:crypto';
import { DIGEST_HEX, fromHex, type Logger, sha256, toHex, ZkraftError } from '../common/index.ts';
import type { ApiKeyStore, Scope } from '../store/types.ts';
import type { AuthenticationOptions } from './options.ts';

export interface Identity {
  /** Tasks are this owner's, and nobody else sees them. */
  readonly owner: string;
  readonly scopes: readonly Scope[];
  /** Of a key of the database. */
  readonly keyId?: string;
}

/** Asked once a request, before the body is read. */
export interface Authenticator {
  /** Undefined when the header names nobody. `beforeLookup` may throw, and is called before the database is asked. */
  authenticate(authorization: string | undefined, beforeLookup: () => void): Promise<Identity | undefined>;
}

export interface ApiKey {
  readonly name: string;
  /** Of the key, 64 hex digits. */
  readonly sha256: string;
}

export type KeyLookup = Pick<ApiKeyStore, 'findLive' | 'noteUse'>;

/** Owner of all tasks while nobody is asked who they are. */
export const ANONYMOUS_OWNER = 'anonymous';
/** Of whoever is not limited otherwise: nobody is asked, or the key is one of the settings. */
const USUAL_SCOPES: readonly Scope[] = ['submit', 'read', 'cancel'];

const BEARER = /^Bearer +([\x21-\x7e]{1,256})$/i;
/** How keys of the database look (see KEY_PATTERN of the store); what looks otherwise is not looked up. */
const DATABASE_KEY = /^zkr_[A-Za-z0-9_-]{43}$/;
const KNOWN_MS = 2_000;
const KNOWN_MAX = 10_000;
const NOTE_USE_MS = 60_000;

export function createAuthenticator(options: AuthenticationOptions, logger: Logger): Authenticator {
  if (options.mode === 'none') {
    return { authenticate: async () => ({ owner: ANONYMOUS_OWNER, scopes: USUAL_SCOPES }) };
  }
  const find = settingsKeys(options.keys);
  const known = options.lookup ? new KnownKeys(options.lookup, logger) : undefined;
  return {
    authenticate: async (authorization, beforeLookup) => {
      const key = BEARER.exec(authorization ?? '')?.[1];
      if (key === undefined) return undefined;
      const hash = sha256(key);
      const owner = find(hash);
      if (owner !== undefined) return { owner, scopes: USUAL_SCOPES };
      return DATABASE_KEY.test(key) ? await known?.find(hash, beforeLookup) : undefined;
    },
  };
}

/** The name of the setting's key with this hash. */
function settingsKeys(given: readonly ApiKey[]): (hash: Uint8Array) => string | undefined {
  const keys = given.map(({ name, sha256: digest }, i) => {
    if (!DIGEST_HEX.test(digest)) {
      throw new ZkraftError('config_invalid', `auth.keys[${i}] has no SHA-256 of 64 hex digits`, {
        field: 'auth.keys',
      });
    }
    return { name, digest: fromHex(digest) };
  });
  return (hash) => {
    let owner: string | undefined;
    for (const { name, digest } of keys) {
      if (timingSafeEqual(hash, digest)) owner = name;
    }
    return owner;
  };
}

/** Keys that the database had a moment ago, by hash; bounded, the oldest look-up leaves first. */
class KnownKeys {
  readonly #lookup: KeyLookup;
  readonly #logger: Logger;
  readonly #known = new Map<string, { readonly identity: Promise<Identity | undefined>; readonly untilMs: number }>();

  constructor(lookup: KeyLookup, logger: Logger) {
    this.#lookup = lookup;
    this.#logger = logger;
  }

  find(hash: Uint8Array, beforeLookup: () => void): Promise<Identity | undefined> {
    const name = toHex(hash);
    const nowMs = performance.now();
    const known = this.#known.get(name);
    if (known && known.untilMs > nowMs) return known.identity;
    beforeLookup();
    const identity = this.#ask(hash);
    // Requests that come while it is looked up share the answer; only a key that is good stays.
    const entry = { identity, untilMs: nowMs + KNOWN_MS };
    this.#known.delete(name);
    this.#known.set(name, entry);
    const forget = (): void => {
      if (this.#known.get(name) === entry) this.#known.delete(name);
    };
    identity.then((found) => found ?? forget(), forget);
    if (this.#known.size > KNOWN_MAX) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    return identity;
  }

  async #ask(hash: Uint8Array): Promise<Identity | undefined> {
    const row = await this.#lookup.findLive(hash);
    if (row === undefined) return undefined;
    if (row.lastUsedAt === undefined || Date.now() - row.lastUsedAt.getTime() > NOTE_USE_MS) {
      // Nobody waits for it, and a request does not fail because of it.
      this.#lookup.noteUse(row.id).catch((thrown: unknown) => {
        this.#logger.warn({ code: ZkraftError.from(thrown).code, key_id: row.id }, 'the use of a key was not noted');
      });
    }
    return { owner: row.name, scopes: row.scopes, keyId: row.id };
  }
}
