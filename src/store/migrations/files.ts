/** The numbered SQL files of this build: `0001_name.up.sql` with its `0001_name.down.sql`, without gaps, from 1. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sha256Hex, ZkraftError } from '../../common/index.ts';

export interface Migration {
  readonly version: number;
  /** Such as 0001_artifacts. */
  readonly name: string;
  readonly up: string;
  readonly down: string;
  /** Lower-case hex SHA-256 of the up file. */
  readonly checksum: string;
}

export const SQL_DIR = fileURLToPath(new URL('./sql/', import.meta.url));
const FILE = /^((\d{4})_[a-z0-9_]+)\.up\.sql$/;

/** Rejects with `migration_failed`, naming the file, when the numbering has a gap or a down file is missing. */
export function readMigrations(dir: string = SQL_DIR): readonly Migration[] {
  const migrations = readdirSync(dir)
    .sort()
    .flatMap((file): Migration[] => {
      const match = FILE.exec(file);
      if (!match?.[1] || !match[2]) return [];
      const up = readFileSync(`${dir}/${file}`, 'utf8');
      return [
        {
          version: Number(match[2]),
          name: match[1],
          up,
          down: readDown(dir, match[1]),
          checksum: sha256Hex(up),
        },
      ];
    });
  migrations.forEach((migration, i) => {
    if (migration.version !== i + 1) {
      throw new ZkraftError('migration_failed', `${migration.name}: expected number ${i + 1} in ${dir}`);
    }
  });
  if (migrations.length === 0) throw new ZkraftError('migration_failed', `no migrations in ${dir}`);
  return migrations;
}

function readDown(dir: string, name: string): string {
  try {
    return readFileSync(`${dir}/${name}.down.sql`, 'utf8');
  } catch (error) {
    throw new ZkraftError('migration_failed', `${name}.down.sql is missing`, { cause: error });
  }
}
