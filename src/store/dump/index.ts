/** The database into a file and back, by PostgreSQL's own programs. See README.md. */
export { type Dump, type DumpOptions, dumpDatabase } from './dump.ts';
export type { DatabaseFacts } from './facts.ts';
export {
  findRestoreProgram,
  inspectTarget,
  type RestoreOptions,
  restoreDatabase,
  type TargetFacts,
} from './restore.ts';
