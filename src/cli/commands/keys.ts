/** `zkraft keys`: the API keys that a gateway with `auth.mode` keys asks for. */
import type { CommandModule } from 'yargs';
import type { ApiKeyRow, Scope, Store } from '../../store/index.ts';
import { operator } from '../operator.ts';
import { run } from '../run.ts';
import { settingsFlags, settingsOf } from '../settings-flags.ts';
import type { Terminal } from '../terminal.ts';

interface Args {
  readonly json: boolean;
  readonly action: 'create' | 'ls' | 'revoke';
  readonly key?: string;
  readonly name?: string;
  readonly scopes?: string;
  readonly expires?: string;
}

const PAGE_ROWS = 500;

export const keys: CommandModule<object, Args> = {
  command: 'keys <action> [key]',
  describe: 'Makes, lists and revokes the API keys of the gateway',
  builder: (yargs) =>
    settingsFlags(yargs, ['database'])
      .positional('action', { choices: ['create', 'ls', 'revoke'] as const, demandOption: true })
      .positional('key', { type: 'string', describe: 'revoke: id of the key, or its first 4 or more characters' })
      .option('name', {
        type: 'string',
        requiresArg: true,
        describe: 'create: who has the key, and so owns what is submitted with it. Several keys may have one name',
      })
      .option('scopes', {
        type: 'string',
        requiresArg: true,
        describe: 'create: what it may do, of submit, read, cancel and admin [default: submit,read,cancel]',
      })
      .option('expires', {
        type: 'string',
        requiresArg: true,
        describe: 'create: how long it is good, such as 90d or 12h [default: until it is revoked]',
      })
      .option('json', { type: 'boolean', default: false, describe: 'The answer as JSON' })
      .example('$0 keys create --name acme --expires 90d', 'Shows the new key, this once')
      .example('$0 keys ls', 'All keys, without what must be kept secret')
      .example('$0 keys revoke 1f0c7a52', 'In force within seconds'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const request = await requestOf(argv);
      const { openConfiguredStore } = await import('../../launch/index.ts');
      const { silentLogger } = await import('../../common/logging/index.ts');
      const store = await openConfiguredStore(settingsOf(argv as unknown as Record<string, unknown>), silentLogger);
      try {
        await request(store, terminal);
      } finally {
        await store.close();
      }
      return 0;
    }),
};

type Request = (store: Store, terminal: Terminal) => Promise<void>;

/** What is asked for, checked before the database is. Rejects with `usage` and `invalid_request`. */
async function requestOf({ action, key, name, scopes, expires }: Args): Promise<Request> {
  const { ZkraftError } = await import('../../common/index.ts');
  const needs = (flag: string, example: string): never => {
    throw new ZkraftError('usage', `zkraft keys ${action} needs ${flag}: zkraft keys ${example}`, { field: flag });
  };
  if (action !== 'revoke' && key !== undefined) {
    throw new ZkraftError('usage', `zkraft keys ${action} takes no key; only revoke does`, { field: 'key' });
  }
  if (action === 'ls') return list;
  if (action === 'revoke') {
    const id = key ?? needs('the id of a key', 'revoke ID');
    return (store, terminal) => revoke(store, terminal, id);
  }
  const { parseDurationMs } = await import('../../common/index.ts');
  const expiresInMs = expires === undefined ? undefined : (daysMs(expires) ?? parseDurationMs(expires, 'expires'));
  const made = {
    name: name ?? needs('--name', 'create --name acme'),
    scopes: (scopes ?? 'submit,read,cancel').split(',').map((scope) => scope.trim() as Scope),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  };
  return (store, terminal) => create(store, terminal, made);
}

/** Keys live for days rather than hours; elsewhere days are no unit. */
function daysMs(text: string): number | undefined {
  const days = /^(\d{1,6})d$/.exec(text)?.[1];
  return days === undefined ? undefined : Number(days) * 86_400_000;
}

async function create(
  store: Store,
  terminal: Terminal,
  given: { name: string; scopes: readonly Scope[]; expiresInMs?: number },
): Promise<void> {
  const { newApiKey } = await import('../../store/index.ts');
  const { key, hash } = newApiKey();
  const row = await store.keys.create({ ...given, hash }, operator());
  terminal.answer({ success: true, key, ...shown(row) }, [
    key,
    `is the key of ${row.name} (id ${row.id}; ${row.scopes.join(', ')}; ${expiry(row)}).`,
    'It is shown this once and kept nowhere. Send it as Authorization: Bearer KEY.',
  ]);
}

async function list(store: Store, terminal: Terminal): Promise<void> {
  const rows: ApiKeyRow[] = [];
  for (;;) {
    const page = await store.keys.list(rows.at(-1), PAGE_ROWS);
    rows.push(...page);
    if (page.length < PAGE_ROWS) break;
  }
  const lines = rows.map((row) =>
    [
      row.id,
      row.name,
      row.scopes.join(','),
      stateOf(row),
      row.lastUsedAt ? `used ${day(row.lastUsedAt)}` : 'never used',
    ].join('  '),
  );
  terminal.answer(
    { success: true, keys: rows.map(shown) },
    lines.length > 0 ? lines : ['There are no keys. Make one: zkraft keys create --name NAME'],
  );
}

async function revoke(store: Store, terminal: Terminal, id: string): Promise<void> {
  const row = await store.keys.revoke(id, operator());
  terminal.answer({ success: true, ...shown(row) }, [
    `Key ${row.id} of ${row.name} is revoked; gateways refuse it within seconds.`,
  ]);
}

function shown(row: ApiKeyRow): Record<string, unknown> {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
  };
}

const day = (time: Date): string => time.toISOString().slice(0, 16).replace('T', ' ');
const expiry = (row: ApiKeyRow): string => (row.expiresAt ? `expires ${day(row.expiresAt)} UTC` : 'does not expire');

function stateOf(row: ApiKeyRow): string {
  if (row.revokedAt) return `revoked ${day(row.revokedAt)}`;
  if (row.expiresAt && row.expiresAt.getTime() <= Date.now()) return `expired ${day(row.expiresAt)}`;
  return row.expiresAt ? `good until ${day(row.expiresAt)}` : 'good';
}
