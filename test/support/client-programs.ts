/** Whether a PostgreSQL is installed here with its client programs, for tests of dumps: that of npm has none. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemBinFolders } from '../../src/store/private-postgres/binaries.ts';

/** False when there is one; else why tests are passed over. */
export function skipWithoutSystemPostgres(): string | false {
  // The one that a private server of the system's takes.
  const folder = systemBinFolders(['postgres', 'initdb'])[0];
  if (folder === undefined) return 'no PostgreSQL is installed here';
  return ['pg_dump', 'pg_restore'].every((name) => existsSync(join(folder, name))) ? false : `${folder} has no pg_dump`;
}
