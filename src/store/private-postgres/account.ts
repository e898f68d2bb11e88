/**
 * Under which account the private PostgreSQL runs, and what that account can reach.
 *
 * PostgreSQL refuses to run as root. An ordinary user runs it as himself; root runs it as `postgres` where the machine
 * has such an account, else as `nobody`. That account can enter a folder only if every folder above lets it, so a
 * clone in somebody's 0700 home is out of its reach and the data must lie elsewhere (layout.ts).
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ZkraftError } from '../../common/index.ts';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** True when it is not the account of this process, so that children must be told to change to it. */
  readonly other: boolean;
}

/** What `child_process.spawn` needs to run something as the account. Node drops all supplementary groups with it. */
export function spawnIdentity(account: Account): { uid?: number; gid?: number } {
  return account.other ? { uid: account.uid, gid: account.gid } : {};
}

/** The account of this process, root or not: for programs that only say their version. */
export function ownAccount(): Account {
  const uid = process.getuid?.() ?? 0;
  return { name: `uid ${uid}`, uid, gid: process.getgid?.() ?? 0, other: false };
}

/** The account to run as; `ownerUid` is that of data which is there already. Throws `postgres_failed`. */
export function chooseAccount(ownerUid: number | undefined): Account {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) {
    if (ownerUid !== undefined && ownerUid !== uid) {
      throw new ZkraftError(
        'postgres_failed',
        `the private database belongs to the account with uid ${ownerUid}, and this process has uid ${uid}: start it as that account or as root, or choose another data folder`,
        { field: 'data_dir' },
      );
    }
    return ownAccount();
  }
  const accounts = readAccounts();
  if (ownerUid !== undefined && ownerUid !== 0) {
    const owner = accounts.find((entry) => entry.uid === ownerUid);
    return { name: owner?.name ?? `uid ${ownerUid}`, uid: ownerUid, gid: owner?.gid ?? ownerUid, other: true };
  }
  for (const name of ['postgres', 'nobody']) {
    const entry = accounts.find((candidate) => candidate.name === name && candidate.uid > 0);
    if (entry) return { ...entry, other: true };
  }
  throw new ZkraftError(
    'postgres_failed',
    'PostgreSQL does not run as root, and /etc/passwd has neither a postgres nor a nobody account: start as an ordinary user, add an account named postgres, or set DATABASE_URL',
  );
}

function readAccounts(): { name: string; uid: number; gid: number }[] {
  let text = '';
  try {
    text = readFileSync('/etc/passwd', 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 7 && /^\d+$/.test(fields[2] ?? '') && /^\d+$/.test(fields[3] ?? ''))
    .map((fields) => ({ name: fields[0] ?? '', uid: Number(fields[2]), gid: Number(fields[3]) }));
}

/**
 * Whether the account may enter `folder`: the search bit of it and of every folder above, by owner, group or others.
 * Access lists are not read, so this can say no where the kernel would say yes; the data then lies elsewhere, unharmed.
 */
export function canEnter(account: Account, folder: string): boolean {
  let at: string;
  try {
    at = realpathSync(folder);
  } catch {
    return false;
  }
  for (;;) {
    const { mode, uid, gid } = statSync(at);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    const parent = dirname(at);
    if (parent === at) return true;
    at = parent;
  }
}
