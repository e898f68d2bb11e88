/** Who runs a command that leaves an audit row: the account of this machine, under an id of its own. */
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';

export function operator(): { readonly actor: string; readonly requestId: string } {
  return { actor: `operator ${accountName()}`, requestId: randomUUID() };
}

function accountName(): string {
  try {
    return userInfo().username.slice(0, 64) || 'unknown';
  } catch {
    // In a container the account may have a number and no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
