/**
 * Who asks. An API key travels as `Authorization: Bearer KEY`; only its SHA-256 is configured, and the key's name owns
 * the tasks that are submitted with it.
 *
 * Keys are compared by digest, in constant time and always against all of them, so that time tells neither how much of
 * a key is right nor which one it was. A key must be random (32 bytes, say): a digest does not slow a guesser down.
 */
import { timingSafeEqual } from 'node:crypto';
import { DIGEST_HEX, fromHex, sha256, ZkraftError } from '../common/index.ts';
import type { AuthenticationOptions } from './options.ts';

export interface Identity {
  /** Tasks are this owner's, and nobody else sees them. */
  readonly owner: string;
}

/** Asked once a request, before the body is read. */
export interface Authenticator {
  /** Undefined when the header names nobody. */
  authenticate(authorization: string | undefined): Promise<Identity | undefined>;
}

export interface ApiKey {
  readonly name: string;
  /** Of the key, 64 hex digits. */
  readonly sha256: string;
}

/** Owner of all tasks while nobody is asked who they are. */
export const ANONYMOUS_OWNER = 'anonymous';

const BEARER = /^Bearer +([\x21-\x7e]{1,256})$/i;

export function createAuthenticator(options: AuthenticationOptions): Authenticator {
  if (options.mode === 'none') return { authenticate: async () => ({ owner: ANONYMOUS_OWNER }) };
  const keys = options.keys.map(({ name, sha256: digest }, i) => {
    if (!DIGEST_HEX.test(digest)) {
      throw new ZkraftError('config_invalid', `auth.keys[${i}] has no SHA-256 of 64 hex digits`, {
        field: 'auth.keys',
      });
    }
    return { name, digest: fromHex(digest) };
  });
  return {
    authenticate: async (authorization) => {
      const key = BEARER.exec(authorization ?? '')?.[1];
      if (key === undefined) return undefined;
      const given = sha256(key);
      let owner: string | undefined;
      for (const { name, digest } of keys) {
        if (timingSafeEqual(given, digest)) owner = name;
      }
      return owner === undefined ? undefined : { owner };
    },
  };
}
