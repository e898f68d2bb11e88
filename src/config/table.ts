/**
 * The one table of settings: what each is called, where it may be set, its default and its limits.
 *
 * A setting's key is its path in the YAML file. Its flag and its first environment variable follow from the key
 * (`coordinator.raft.node_id` is `--coordinator-raft-node-id` and `COORDINATOR_RAFT_NODE_ID`); `env` adds the other
 * spellings that operators know. docs/reference/settings.md is made from this table, and a test compares them.
 */
import { type Static, type TSchema, Type } from 'typebox';

export interface Setting<S extends TSchema = TSchema> {
  readonly schema: S;
  readonly default: Static<S>;
  readonly text: string;
  /** Other environment variables that set it, in order of precedence after the derived one. */
  readonly env?: readonly string[];
  /** Never printed, never logged; may come from a file named by `<ENV>_FILE`. */
  readonly secret?: boolean;
  /** What an item of a list is when a flag or the environment gives it as text. Default: the text. */
  readonly item?: (text: string) => unknown;
}

const setting = <S extends TSchema>(
  schema: S,
  value: Static<S>,
  text: string,
  more: Pick<Setting<S>, 'env' | 'secret' | 'item'> = {},
): Setting<S> => ({ schema, default: value, text, ...more });

const text = (lengthMax = 256) => Type.String({ maxLength: lengthMax });
const count = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });
const flag = Type.Boolean();
/** Such as 50ms, 1s, 5m. Services receive whole milliseconds. */
const duration = Type.String({ pattern: '^\\d{1,9}(ms|s|m|h)$' });
const list = (itemsMax = 64) => Type.Array(Type.String({ maxLength: 512 }), { maxItems: itemsMax });
const oneOf = <const T extends readonly string[]>(...values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] });

const port = count(0, 65_535);

/** `id=host:port`. What is not so stays text, and the schema refuses it. */
function peerOfText(text: string): unknown {
  const [, id, address] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  return id === undefined ? text : { id, address };
}

export const SETTINGS = {
  'data.dir': setting(
    text(),
    './.zkraft',
    'Where a process keeps its files: keys, tables of keys (at most 2 GiB), spools, the private database.',
    {
      env: ['ZKRAFT_DATA_DIR'],
    },
  ),

  'coordinator.id': setting(text(64), 'coordinator-1', 'Name of this coordinator, for people and logs.'),
  'coordinator.grpc_host': setting(
    text(),
    '127.0.0.1',
    'Address that workers connect to. Beyond loopback only with a worker token.',
  ),
  'coordinator.grpc_port': setting(port, 9090, 'Port that workers connect to; 0 takes any free one.', {
    env: ['GRPC_PORT'],
  }),
  'coordinator.advertise_address': setting(
    text(),
    '',
    'host:port at which workers reach this coordinator, as it tells them. Empty: the address it listens on.',
  ),
  'coordinator.http_host': setting(
    text(),
    '127.0.0.1',
    'Address of the health and metrics routes. Beyond loopback only with a worker token.',
  ),
  'coordinator.http_port': setting(port, 8090, 'Port of the health and metrics routes; 0 takes any free one.', {
    env: ['HTTP_PORT'],
  }),
  'coordinator.poll_interval': setting(
    duration,
    '2s',
    'How often the queue is scanned even if nothing woke the scheduler.',
  ),
  'coordinator.heartbeat_interval': setting(duration, '5s', 'How often workers are told to send a heartbeat.'),
  'coordinator.heartbeat_timeout': setting(
    duration,
    '30s',
    'A worker silent for this long is dead, and its leases end.',
  ),
  'coordinator.stale_task_timeout': setting(duration, '5m', 'A lease ends when it was not renewed for this long.'),
  'coordinator.cleanup_interval': setting(duration, '1m', 'How often leases and workers are swept in the background.'),
  'coordinator.task_timeout': setting(duration, '5m', 'The most that one attempt at a task may take.'),
  'coordinator.max_attempts': setting(count(1, 100), 5, 'A task fails when it was tried this often.'),
  'coordinator.verify_threads': setting(count(1, 64), 1, 'Threads that verify the proofs which workers hand in.'),
  'coordinator.verify_wait': setting(
    duration,
    '10ms',
    'The most that a proof waits for others, to be verified with them for less; where they come more seldom, it does not. A second at most.',
  ),
  'coordinator.worker_token': setting(
    text(512),
    '',
    'Secret that workers must send. Empty: none is asked for, on loopback only.',
    {
      secret: true,
    },
  ),
  'coordinator.tls_cert_file': setting(
    text(1024),
    '',
    'Certificate (PEM, with its chain) of the gRPC port. With it the port speaks TLS only. Empty: plain text.',
  ),
  'coordinator.tls_key_file': setting(text(1024), '', 'Private key (PEM) of that certificate.'),
  'coordinator.tls_client_ca_file': setting(
    text(1024),
    '',
    'Authority (PEM) whose certificates workers must show. Empty: none is asked for.',
  ),
  'coordinator.admin_token': setting(
    text(512),
    '',
    'Secret that operators must send to administer workers. Empty: only from the same machine.',
    { secret: true },
  ),
  'coordinator.min_worker_version': setting(
    Type.String({ pattern: '^(\\d{1,9}\\.\\d{1,9}\\.\\d{1,9}(-[0-9A-Za-z.-]{1,64})?)?$' }),
    '',
    'Workers of an older version get no tasks. Empty: none is too old.',
  ),
  'coordinator.grpc_reflection': setting(flag, false, 'Serves gRPC reflection, for tools such as grpcurl.'),

  'coordinator.raft.node_id': setting(text(64), '', 'Name in the replicated log. Empty: the coordinator id.', {
    env: ['RAFT_NODE_ID'],
  }),
  'coordinator.raft.raft_host': setting(
    text(),
    '127.0.0.1',
    'Address that the Raft port listens on. Beyond loopback only with coordinator.raft.tls_enabled.',
  ),
  'coordinator.raft.raft_port': setting(
    port,
    7000,
    'Port for the other coordinators, and for zkraft raft. 0: not opened, for a coordinator that stays alone.',
    { env: ['COORDINATOR_RAFT_PORT', 'RAFT_PORT'] },
  ),
  'coordinator.raft.raft_dir': setting(
    text(1024),
    '/var/lib/zkp/raft',
    'Folder of the replicated log and its snapshots.',
    {
      env: ['COORDINATOR_RAFT_DIR', 'RAFT_DIR'],
    },
  ),
  'coordinator.raft.bootstrap': setting(
    flag,
    true,
    'Whether a folder without a log may begin a new cluster. Of several peers only the first of the list does, while no other is in one. Ignored where there is a log.',
    {
      env: ['RAFT_BOOTSTRAP'],
    },
  ),
  'coordinator.raft.peers': setting(
    Type.Array(Type.Object({ id: text(64), address: text() }, { additionalProperties: false }), { maxItems: 9 }),
    [],
    'Coordinators of the cluster, this one among them, each with its node id and the host:port of its Raft port. The leader adds those that wait. As text: c1=10.0.0.1:7000,c2=10.0.0.2:7000. Empty: this one alone.',
    { item: peerOfText },
  ),
  'coordinator.raft.heartbeat_timeout': setting(
    duration,
    '1s',
    'How long a follower waits for the leader before it stands for election.',
  ),
  'coordinator.raft.election_timeout': setting(duration, '1s', 'How long a candidate waits for votes.'),
  'coordinator.raft.commit_timeout': setting(
    duration,
    '50ms',
    'How long the leader may hold a commit back from idle followers.',
  ),
  'coordinator.raft.max_append_entries': setting(count(1, 10_000), 64, 'Most entries in one message to a follower.'),
  'coordinator.raft.tls_enabled': setting(
    flag,
    false,
    'Mutual TLS on the Raft port, with cert_file, key_file and ca_file. Needed between machines.',
  ),
  'coordinator.raft.cert_file': setting(
    text(1024),
    '',
    'Certificate (PEM) shown on the Raft port; zkraft raft shows it too. Its name is the node id.',
  ),
  'coordinator.raft.key_file': setting(text(1024), '', 'Private key (PEM) of coordinator.raft.cert_file.'),
  'coordinator.raft.ca_file': setting(text(1024), '', 'Authority (PEM) that signed the certificates of the cluster.'),
  'coordinator.raft.snapshot_interval': setting(duration, '120s', 'How often it is checked whether a snapshot is due.'),
  'coordinator.raft.snapshot_threshold': setting(
    count(16, 10_000_000),
    8192,
    'Log entries after the last snapshot that make one due.',
  ),

  'database.url': setting(text(2048), '', 'Connection string; wins over the fields below.', { secret: true }),
  'database.host': setting(text(1024), 'localhost', 'Host of PostgreSQL, or the folder of its socket.'),
  'database.port': setting(count(1, 65_535), 5432, 'Port of PostgreSQL.'),
  'database.database': setting(text(), 'zkp_network', 'Name of the database.', { env: ['DATABASE_NAME'] }),
  'database.user': setting(text(), 'zkp_user', 'Role to log in as.'),
  'database.password': setting(text(1024), '', 'Password of the role.', { secret: true }),
  'database.ssl_mode': setting(
    oneOf('disable', 'require', 'verify-full'),
    'disable',
    'disable: no TLS; require: TLS, any certificate; verify-full: TLS, certificate and host name checked.',
  ),
  'database.max_open_conns': setting(count(2, 1000), 25, 'Most connections of one process.'),
  'database.max_idle_conns': setting(count(0, 1000), 5, 'Idle connections that are kept open.'),
  'database.conn_max_lifetime': setting(duration, '5m', 'A connection is replaced after this time.'),

  'server.host': setting(
    text(),
    '127.0.0.1',
    'Address the gateway listens on. Beyond loopback only with authentication.',
  ),
  'server.port': setting(port, 8080, 'Port of the gateway; 0 takes any free one.', { env: ['GATEWAY_PORT'] }),
  'server.read_timeout': setting(duration, '30s', 'A request must have arrived after this time.'),
  'server.write_timeout': setting(
    duration,
    '30s',
    'An answer must have been taken after this time; long-polls have their own.',
  ),
  'server.idle_timeout': setting(duration, '120s', 'An idle connection is closed after this time.'),
  'server.body_limit_bytes': setting(count(1024, 64 * 1024 * 1024), 5 * 1024 * 1024, 'Largest request body.'),
  'server.long_poll_max': setting(duration, '30s', 'Longest wait that a client may ask for.'),
  'server.long_polls_max': setting(count(1, 100_000), 1000, 'Long-polls open at the same time.'),
  'server.trust_proxy': setting(list(), [], 'Addresses of proxies whose X-Forwarded-For is believed. Empty: nobody.'),
  'server.tls_cert_file': setting(
    text(1024),
    '',
    'Certificate (PEM, with its chain) of the gateway. With it the gateway speaks HTTPS only. Empty: plain HTTP.',
  ),
  'server.tls_key_file': setting(text(1024), '', 'Private key (PEM) of that certificate.'),

  'auth.mode': setting(
    oneOf('none', 'keys'),
    'none',
    'Whether the gateway asks for API keys (zkraft keys create). none: loopback only.',
  ),
  'auth.keys': setting(
    list(1000),
    [],
    'API keys besides those of zkraft keys, as name:sha256-of-the-key in hex. The name owns the tasks; all but admin is allowed.',
    { secret: true },
  ),

  'rate_limit.enabled': setting(flag, true, 'Limits requests per API key or client address.'),
  'rate_limit.requests_per_second': setting(
    Type.Number({ minimum: 0.1, maximum: 100_000 }),
    10,
    'Requests a second that a client may keep up.',
  ),
  'rate_limit.burst': setting(count(1, 100_000), 20, 'Requests that a client may send at once.'),
  'rate_limit.whitelist': setting(list(), [], 'Addresses that are not limited.'),

  'cors.enabled': setting(flag, false, 'Answers cross-origin requests of browsers.'),
  'cors.allowed_origins': setting(list(), [], 'Origins that may call, such as https://app.example; * for all.'),
  'cors.allowed_methods': setting(list(), ['GET', 'POST'], 'Methods that they may use.'),
  'cors.allowed_headers': setting(
    list(),
    ['Content-Type', 'Authorization', 'Idempotency-Key', 'X-Request-ID'],
    'Headers that they may send.',
  ),

  'worker.id': setting(
    text(128),
    '',
    "Name of this worker; where the coordinator asks for certificates, the name in its certificate, or one that begins with that and a hyphen. Empty: that name, else the host's, and a random suffix.",
    { env: [] },
  ),
  'worker.coordinator_address': setting(
    list(16),
    ['127.0.0.1:9090'],
    'Coordinators, host:port; the worker finds the leader among them.',
    {
      env: ['COORDINATOR_ADDRESS'],
    },
  ),
  'worker.concurrency': setting(count(0, 256), 0, 'Proofs made at the same time. 0: what processors and memory allow.'),
  'worker.heartbeat_interval': setting(duration, '5s', 'How often it reports, until the coordinator says otherwise.'),
  'worker.register_retries': setting(
    count(0, 1_000_000),
    0,
    'Give up after so many failed registrations in a row. 0: never.',
  ),
  'worker.task_timeout': setting(duration, '5m', 'The most that one attempt may take here.'),
  'worker.token': setting(text(512), '', 'Secret that is sent to the coordinator.', { secret: true }),
  'worker.tls_ca_file': setting(
    text(1024),
    '',
    'Authority (PEM) that signed the certificate of the coordinator. With it the worker speaks TLS only. Empty: plain text.',
  ),
  'worker.tls_cert_file': setting(
    text(1024),
    '',
    'Certificate (PEM) that is shown to a coordinator that asks for one.',
  ),
  'worker.tls_key_file': setting(text(1024), '', 'Private key (PEM) of that certificate.'),
  'worker.http_host': setting(text(), '127.0.0.1', 'Address of the worker health and metrics routes.'),

  'zkp.curve': setting(oneOf('bn254'), 'bn254', 'The curve. There is one.'),
  'zkp.backend': setting(
    oneOf('auto', 'wasm', 'webgpu', 'snarkjs'),
    'auto',
    'What makes the proofs, verifies them in the coordinator and hashes in the gateway. auto: the fastest that runs here.',
  ),
  'zkp.kernel': setting(
    oneOf('auto', 'fma2', 'fma4', 'int2'),
    'auto',
    'WebAssembly kernels of the wasm backend. auto: the fastest that is right here; fma4 is experimental.',
    { env: ['ZKRAFT_KERNEL'] },
  ),
  'zkp.compile_cache_size': setting(count(1, 64), 8, 'Circuits whose keys a prover keeps in memory.'),
  'zkp.max_proof_size_mb': setting(count(1, 64), 1, 'Largest message that a worker may send.'),
  'zkp.merkle_tree_depth': setting(count(1, 32), 8, 'Depth of a task that names none, if its leaves fit.'),

  'logging.level': setting(
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'What is logged.',
    { env: ['LOG_LEVEL'] },
  ),
  'logging.format': setting(oneOf('json', 'console'), 'json', 'json: one object a line; console: for people.', {
    env: ['LOG_FORMAT'],
  }),
  'logging.output': setting(text(1024), 'stderr', 'stdout, stderr or a file.', { env: ['LOG_OUTPUT'] }),

  'metrics.enabled': setting(flag, true, 'Serves Prometheus metrics.'),
  'metrics.port': setting(
    port,
    9464,
    'Port of the worker health and metrics routes; 0 takes any free one. Gateway and coordinator use their own.',
  ),
  'metrics.path': setting(Type.String({ pattern: '^/[A-Za-z0-9/_-]{1,64}$' }), '/metrics', 'Path of the metrics.'),
} as const satisfies Record<string, Setting>;

export type SettingKey = keyof typeof SETTINGS;
export type SettingValue<K extends SettingKey> = (typeof SETTINGS)[K] extends Setting<infer S> ? Static<S> : never;

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[];

/** `coordinator.grpc_port` is `coordinator-grpc-port` on the command line, without the dashes in front. */
export const flagOf = (key: SettingKey): string => key.replaceAll(/[._]/g, '-');

/** Every environment variable that sets `key`, the strongest first. */
export function envOf(key: SettingKey): readonly string[] {
  const derived = key.toUpperCase().replaceAll('.', '_');
  const more: readonly string[] = (SETTINGS[key] as Setting).env ?? [];
  return [derived, ...more.filter((name) => name !== derived)];
}

/** The first part of a key: settings are documented and offered as flags by section. */
export const sectionOf = (key: SettingKey): string => key.slice(0, key.indexOf('.'));
