/** The audit log: what was done to tasks, keys and workers, by whom, under which request. Rows are only added. */
import { ZkraftError } from '../common/index.ts';
import type { Database, Row } from './database.ts';
import type { AuditEntry, AuditLog, AuditRow } from './types.ts';

const ACTION = /^[a-z_]{1,32}\.[a-z_]{1,32}$/;
const DETAIL_BYTES_MAX = 4_096;
const ROWS_MAX = 1_000;

export class PgAuditLog implements AuditLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async append({ actor, action, target, requestId, detail = {} }: AuditEntry): Promise<void> {
    const text = JSON.stringify(detail);
    if (!ACTION.test(action) || Buffer.byteLength(text) > DETAIL_BYTES_MAX) {
      throw new ZkraftError('internal', `an audit row of ${action.slice(0, 64)} is not well formed or too large`);
    }
    await this.#database.query(
      'writing an audit row',
      'INSERT INTO audit (actor, action, target, request_id, detail) VALUES ($1, $2, $3, $4, $5::jsonb)',
      [actor, action, target, requestId, text],
    );
  }

  async list(
    by: { readonly target: string } | { readonly requestId: string },
    afterId: number | undefined,
    limit: number,
  ): Promise<readonly AuditRow[]> {
    const [column, value] = 'target' in by ? ['target', by.target] : ['request_id', by.requestId];
    const rows = await this.#database.query(
      'reading the audit log',
      `SELECT id, at, actor, action, target, request_id, detail FROM audit
       WHERE ${column} = $1 AND id > $2 ORDER BY id LIMIT $3`,
      [value, afterId ?? 0, Math.min(ROWS_MAX, Math.max(1, limit))],
    );
    return rows.map(auditRowOf);
  }
}

function auditRowOf(row: Row): AuditRow {
  return {
    id: Number(row.id),
    at: row.at as Date,
    actor: row.actor as string,
    action: row.action as string,
    target: row.target as string,
    requestId: row.request_id as string,
    detail: row.detail as AuditRow['detail'],
  };
}
