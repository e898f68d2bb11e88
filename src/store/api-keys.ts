/**
 * API keys in PostgreSQL. A key is shown once, to who makes it; what is kept is its SHA-256, which a look-up needs and
 * nobody can send.
 *
 * A plain digest is enough because keys are random (256 bits): there is nothing to guess slowly. Making and revoking a
 * key writes its audit row in the same statement.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { sha256, ZkraftError } from '../common/index.ts';
import type { Database, Row } from './database.ts';
import { optional } from './task-rows.ts';
import { type ApiKeyRow, type ApiKeyStore, type Doer, type NewApiKey, SCOPES, type Scope } from './types.ts';

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** `zkr_` and 32 bytes in base64url: recognizable in a leak, and refused before the database is asked. */
export const KEY_PATTERN = /^zkr_[A-Za-z0-9_-]{43}$/;
const ID_PREFIX = /^[0-9a-f][0-9a-f-]{3,35}$/;
const ROWS_MAX = 1_000;
/** A hundred years; beyond that a key should say that it does not expire. */
const EXPIRY_MS_MAX = 100 * 366 * 86_400_000;

const COLUMNS = 'id, name, scopes, created_at, expires_at, revoked_at, last_used_at';

/** A new key and what is kept of it. The key is a secret: show it once, log it never. */
export function newApiKey(random: (bytes: number) => Uint8Array = randomBytes): { key: string; hash: Uint8Array } {
  const key = `zkr_${Buffer.from(random(32)).toString('base64url')}`;
  return { key, hash: sha256(key) };
}

export class PgApiKeyStore implements ApiKeyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async create(key: NewApiKey, by: Doer): Promise<ApiKeyRow> {
    check(key);
    const [row] = await this.#database.query(
      'making a key',
      `WITH made AS (
         INSERT INTO api_keys (id, name, hash, scopes, expires_at)
         VALUES ($1, $2, $3, $4, now() + $5::float8 * interval '1 millisecond') RETURNING ${COLUMNS}
       ), noted AS (
         INSERT INTO audit (actor, action, target, request_id, detail)
         SELECT $6, 'key.create', id::text, $7,
                jsonb_build_object('name', name, 'scopes', scopes, 'expires_at', expires_at) FROM made
       )
       SELECT * FROM made`,
      [randomUUID(), key.name, key.hash, distinct(key.scopes), key.expiresInMs ?? null, by.actor, by.requestId],
    );
    if (!row) throw new ZkraftError('internal', 'the new key was not returned');
    return apiKeyRowOf(row);
  }

  async list(after: ApiKeyRow | undefined, limit: number): Promise<readonly ApiKeyRow[]> {
    const rows = await this.#database.query(
      'listing keys',
      `SELECT ${COLUMNS} FROM api_keys WHERE $1::timestamptz IS NULL OR (created_at, id) > ($1, $2::uuid)
       ORDER BY created_at, id LIMIT $3`,
      [after?.createdAt ?? null, after?.id ?? null, Math.min(ROWS_MAX, Math.max(1, limit))],
    );
    return rows.map(apiKeyRowOf);
  }

  async revoke(idOrPrefix: string, by: Doer): Promise<ApiKeyRow> {
    const prefix = idOrPrefix.toLowerCase();
    if (!ID_PREFIX.test(prefix)) {
      throw new ZkraftError(
        'invalid_request',
        "a key is named by its id, or by the id's first 4 or more characters; zkraft keys ls shows ids",
        { field: 'id' },
      );
    }
    const found = await this.#database.query(
      'finding a key',
      `SELECT ${COLUMNS} FROM api_keys WHERE starts_with(id::text, $1) LIMIT 2`,
      [prefix],
    );
    const [only, other] = found.map(apiKeyRowOf);
    if (only === undefined) {
      throw new ZkraftError('key_not_found', `no API key has an id that begins with ${prefix}; zkraft keys ls`, {
        field: 'id',
      });
    }
    if (other !== undefined) {
      throw new ZkraftError('invalid_request', `several keys have an id that begins with ${prefix}; write more of it`, {
        field: 'id',
      });
    }
    const [row] = await this.#database.query(
      'revoking a key',
      `WITH revoked AS (
         UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING ${COLUMNS}
       ), noted AS (
         INSERT INTO audit (actor, action, target, request_id, detail)
         SELECT $2, 'key.revoke', id::text, $3, jsonb_build_object('name', name) FROM revoked
       )
       SELECT * FROM revoked`,
      [only.id, by.actor, by.requestId],
    );
    if (row) return apiKeyRowOf(row);
    // It was revoked before; if that was just now, what was read of it is old.
    return only.revokedAt ? only : this.revoke(only.id, by);
  }

  async findLive(hash: Uint8Array): Promise<ApiKeyRow | undefined> {
    const [row] = await this.#database.query(
      'looking for a key',
      `SELECT ${COLUMNS} FROM api_keys
       WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
      [hash],
    );
    return row && apiKeyRowOf(row);
  }

  async noteUse(id: string): Promise<void> {
    await this.#database.query(
      'noting the use of a key',
      `UPDATE api_keys SET last_used_at = now()
       WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')`,
      [id],
    );
  }
}

const distinct = (scopes: readonly Scope[]): Scope[] => SCOPES.filter((scope) => scopes.includes(scope));

function check({ name, hash, scopes, expiresInMs }: NewApiKey): void {
  const refuse = (field: string, message: string): never => {
    throw new ZkraftError('invalid_request', message, { field });
  };
  if (!NAME.test(name)) refuse('name', 'the name of a key is 1 to 64 of letters, digits, dot, _ and -');
  if (hash.length !== 32) refuse('hash', 'the hash of a key has 32 bytes');
  const unknown = scopes.find((scope) => !SCOPES.includes(scope));
  if (unknown !== undefined) refuse('scopes', `"${unknown}" is no scope; choose among ${SCOPES.join(', ')}`);
  if (scopes.length === 0) refuse('scopes', `a key has at least one scope of ${SCOPES.join(', ')}`);
  if (expiresInMs !== undefined && !(expiresInMs >= 1 && expiresInMs <= EXPIRY_MS_MAX)) {
    refuse('expires', 'a key expires in more than no time and at most 100 years; leave it out for a key that stays');
  }
}

function apiKeyRowOf(row: Row): ApiKeyRow {
  const time = (value: unknown): Date => value as Date;
  return {
    id: row.id as string,
    name: row.name as string,
    scopes: row.scopes as Scope[],
    createdAt: row.created_at as Date,
    expiresAt: optional(row.expires_at, time),
    revokedAt: optional(row.revoked_at, time),
    lastUsedAt: optional(row.last_used_at, time),
  };
}
