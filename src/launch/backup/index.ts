/** Backups of the database and of a node's Raft directory, made and put back. See README.md. */
export { type Backup, type BackupOptions, makeBackup } from './make.ts';
export type { Manifest } from './manifest.ts';
export { type RestoreBackupOptions, type RestoredBackup, restoreBackup } from './restore.ts';
