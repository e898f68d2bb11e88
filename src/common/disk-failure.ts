/** What a write that failed says to whoever asked for it: a full disk is told from the rest. */
import type { ErrorCode } from './error-table.ts';
import { ZkraftError } from './errors.ts';

const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** `disk_full`, or `code` with the system's words; a ZkraftError as it is. */
export function diskFailure(error: unknown, path: string, code: ErrorCode): ZkraftError {
  if (error instanceof ZkraftError) return error;
  const system = error instanceof Error && 'code' in error ? error.code : undefined;
  const said = error instanceof Error ? error.message : String(error);
  if (FULL.has(system)) {
    return new ZkraftError('disk_full', `there is no room for ${path} (${said}): make room, or name another place`, {
      cause: error,
    });
  }
  return new ZkraftError(code, `${path}: ${said}`, { cause: error });
}
