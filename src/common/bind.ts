/** Who may listen where: beyond loopback only what asks its callers who they are. */
import { isIP } from 'node:net';
import { ZkraftError } from './errors.ts';

/** True when nobody but this machine can reach a listener on `host`. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (plain === 'localhost') return true;
  if (isIP(plain) === 4) return plain.startsWith('127.');
  return plain === '::1' || /^::ffff:127\.\d+\.\d+\.\d+$/.test(plain);
}

/** Throws `bind_unauthenticated`, naming the setting and what to do, unless callers are asked or `host` is loopback. */
export function refuseOpenBind(host: string, setting: string, isAuthenticated: boolean, remedy: string): void {
  if (isAuthenticated || isLoopback(host)) return;
  throw new ZkraftError(
    'bind_unauthenticated',
    `${setting} is ${host}, which others than this machine can reach, and nobody is asked who they are; ${remedy}, or use 127.0.0.1`,
    { field: setting },
  );
}
