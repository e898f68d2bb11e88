/**
 * The replicated log of a coordinator, as the settings describe its cluster.
 *
 * The same file of settings serves all coordinators: each finds itself in `peers` by its node id. Of several, only the
 * first that is listed may begin the cluster, and only while none of the others is in one; it then adds those that wait.
 */
import { isLoopback, type Logger, refuseOpenBind, ZkraftError } from '../common/index.ts';
import { raftAdmin } from '../common/rpc/index.ts';
import type { Config, SettingKey } from '../config/index.ts';
import type { CoordinatorOptions, StateEvent } from '../coordinator/index.ts';
import {
  createRaftAdminService,
  createRaftMetrics,
  grpcTransport,
  type ListedPeer,
  openRaftNode,
  type RaftNode,
  stayAlone,
  type TransportSecurity,
} from '../raft/index.ts';
import { raftSecurity } from './raft.ts';

type OpenLog = CoordinatorOptions['openLog'];
type Result = readonly StateEvent[];

export interface LogPlace {
  readonly dir: string;
  /** Overrides the settings. */
  readonly raftPort?: number;
}

/** Throws `config_invalid`, `bind_unauthenticated` at once; what is returned rejects with what `openRaftNode` does. */
export function coordinatorLog(config: Config, place: LogPlace, onFatal: (error: ZkraftError) => void): OpenLog {
  const name = config.get('coordinator.raft.node_id') || config.get('coordinator.id');
  const peers = listedPeers(config, name);
  const port = place.raftPort ?? config.get('coordinator.raft.raft_port');
  const host = config.get('coordinator.raft.raft_host');
  const security = securityOf(config);
  refuseOpenBind(host, 'coordinator.raft.raft_host', security.mode === 'mutual-tls', TLS_REMEDY);
  if (peers.length > 1) checkSeveral(peers, port, security);
  const own = peers.find((peer) => peer.name === name)?.raftAddress;
  if (own === undefined && port !== 0 && isWildcard(host)) {
    throw invalid(
      PEERS,
      `coordinator.raft.raft_host is ${host}, which is nowhere to others; list this node in peers with the address at which they reach it`,
    );
  }
  if (
    peers.length > 1 &&
    isWildcard(config.get('coordinator.grpc_host')) &&
    !config.get('coordinator.advertise_address')
  ) {
    throw invalid(
      'coordinator.advertise_address',
      'it is empty, and coordinator.grpc_host is nowhere to others; give the host:port at which workers reach this coordinator, for the others send them there',
    );
  }
  checkTimeouts(config);
  const raftAddress = own ?? `${host}:${port}`;
  const isFirst = peers.length === 0 || peers[0]?.name === name;

  return async ({ clientAddress, stateVersion, registry, logger }) => {
    if (peers.length > 1) warnOfTightTimeouts(config, logger);
    const metrics = createRaftMetrics(registry);
    const node: RaftNode<Result> = await openRaftNode<Result>({
      dir: place.dir,
      name,
      raftAddress,
      clientAddress,
      hostVersion: stateVersion,
      bootstrap: config.get('coordinator.raft.bootstrap') && isFirst,
      peers,
      connect:
        port === 0
          ? stayAlone
          : grpcTransport({
              listen: `${host}:${port}`,
              security,
              logger,
              observer: metrics.transport,
              addServices: (server) =>
                server.addService(raftAdmin.RaftAdminServiceService, createRaftAdminService(node, logger)),
            }),
      heartbeatTimeoutMs: config.ms('coordinator.raft.heartbeat_timeout'),
      // Who is listed is expected: it need not be watched for long before it may vote.
      ...(peers.length > 1 && { promoteInTouchMs: 2 * config.ms('coordinator.raft.heartbeat_timeout') }),
      electionTimeoutMs: config.ms('coordinator.raft.election_timeout'),
      commitTimeoutMs: config.ms('coordinator.raft.commit_timeout'),
      maxAppendEntries: config.get('coordinator.raft.max_append_entries'),
      snapshotIntervalMs: config.ms('coordinator.raft.snapshot_interval'),
      snapshotThreshold: config.get('coordinator.raft.snapshot_threshold'),
      observer: metrics.node,
      logger,
      onFatal,
    });
    metrics.watch(node);
    return node;
  };
}

const TIMEOUTS = ['coordinator.raft.heartbeat_timeout', 'coordinator.raft.election_timeout'] as const;
/** A tenth of it is a tick, and timers keep to no less than some milliseconds. */
const TIMEOUT_MS_MIN = 50;
const TIMEOUT_MS_MAX = 60_000;
/** Below it an event loop that is busy, or a slow fsync, looks like a leader that is gone. */
const TIMEOUT_MS_ADVISED = 250;
const PEERS = 'coordinator.raft.peers' satisfies SettingKey;
const TLS_REMEDY = 'set coordinator.raft.tls_enabled, with cert_file, key_file and ca_file';

function listedPeers(config: Config, name: string): readonly ListedPeer[] {
  const peers = config.get(PEERS).map(({ id, address }) => ({ name: id, raftAddress: address }));
  if (peers.length === 0) return [];
  const names = peers.map((peer) => peer.name);
  for (const { name: peer, raftAddress } of peers) {
    const port = Number(/^[^\s]+:(\d{1,5})$/.exec(raftAddress)?.[1]);
    if (!(port >= 1 && port <= 65_535)) {
      throw invalid(PEERS, `"${peer}" has the address "${raftAddress}"; give host:port, the Raft port of that node`);
    }
  }
  for (const [what, all] of [
    ['id', names],
    ['address', peers.map(({ raftAddress }) => raftAddress)],
  ] as const) {
    const twice = all.find((one, i) => all.indexOf(one) !== i);
    if (twice !== undefined) throw invalid(PEERS, `two peers have the ${what} "${twice}"; each has its own`);
  }
  if (names.includes(name)) return peers;
  throw invalid(
    PEERS,
    `this node is called "${name}", and the peers are ${names.join(', ')}; add it, or set coordinator.raft.node_id`,
  );
}

function securityOf(config: Config): TransportSecurity {
  const isEnabled = config.get('coordinator.raft.tls_enabled');
  const security = raftSecurity(config);
  if (isEnabled && security.mode === 'insecure') {
    throw invalid(
      'coordinator.raft.cert_file',
      'it is empty, but tls_enabled is true; set cert_file, key_file and ca_file',
    );
  }
  if (!isEnabled && security.mode === 'mutual-tls') {
    throw invalid(
      'coordinator.raft.tls_enabled',
      'it is false, but cert_file is set; set it to true, or remove the files',
    );
  }
  return security;
}

function checkSeveral(peers: readonly ListedPeer[], port: number, security: TransportSecurity): void {
  if (port === 0) {
    throw invalid(
      'coordinator.raft.raft_port',
      'it is 0, which opens none, but peers lists others; give the port of this node',
    );
  }
  const far = peers.find(({ raftAddress }) => !isLoopback(raftAddress.slice(0, raftAddress.lastIndexOf(':'))));
  if (far === undefined || security.mode === 'mutual-tls') return;
  throw invalid(
    'coordinator.raft.tls_enabled',
    `it is false, and ${far.name} at ${far.raftAddress} is on another machine; peers there must show who they are: ${TLS_REMEDY} (zkraft certs makes them)`,
  );
}

function checkTimeouts(config: Config): void {
  for (const field of TIMEOUTS) {
    const ms = config.ms(field);
    if (ms >= TIMEOUT_MS_MIN && ms <= TIMEOUT_MS_MAX) continue;
    throw invalid(field, `it is ${ms}ms; give ${TIMEOUT_MS_MIN}ms to ${TIMEOUT_MS_MAX / 1_000}s, best 1s`);
  }
}

function warnOfTightTimeouts(config: Config, logger: Logger): void {
  for (const field of TIMEOUTS) {
    const ms = config.ms(field);
    if (ms >= TIMEOUT_MS_ADVISED) continue;
    logger.warn(
      { setting: field, ms },
      `${field} is ${ms}ms: whoever is busy for so long is taken for gone, and elections stop all work for a moment; ` +
        `nothing is lost by it, but give ${TIMEOUT_MS_ADVISED}ms or more`,
    );
  }
}

const isWildcard = (host: string): boolean => ['0.0.0.0', '::', '[::]', ''].includes(host);

const invalid = (field: SettingKey, problem: string): ZkraftError =>
  new ZkraftError('config_invalid', `${field}: ${problem}`, { field });
