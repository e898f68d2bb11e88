/**
 * Every metric of a node, in one table: name, type, labels, text. docs/reference/metrics.md is made from it.
 *
 * Whoever hosts a node gives the two observers to it and to its transport, and the node to `watch`. Label sets are
 * closed: peers are the members that the transport knows by name, and from a certain number on `other`; reasons are
 * those of `DropReason`. A stranger's word is no label.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { DropReason, TransportObserver } from '../transport/observer.ts';
import type { NodeObserver } from './observer.ts';
import type { NodeMeasures } from './status.ts';

interface MetricRow {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
}

const DISK_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const LAG_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const ENTRIES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

export const RAFT_METRICS = {
  raft_state: { type: 'gauge', help: '0 follower or learner, 1 candidate, 2 leader; -1 shut down.' },
  raft_term: { type: 'gauge', help: 'Current term.' },
  raft_commit_index: { type: 'gauge', help: 'Highest log index known to be committed.' },
  raft_applied_index: { type: 'gauge', help: 'Highest log index applied here.' },
  raft_num_peers: { type: 'gauge', help: 'Members of the cluster, this node included.' },
  raft_leader: { type: 'gauge', help: '1 when this node leads.' },
  raft_leader_changes_total: { type: 'counter', help: 'Leaders that this node came to follow, itself included.' },
  raft_commit_seconds: { type: 'histogram', help: 'From proposal to applied.', buckets: DISK_SECONDS },
  raft_append_fsync_seconds: { type: 'histogram', help: 'One durable batch of the log.', buckets: DISK_SECONDS },
  raft_append_entries: { type: 'histogram', help: 'Entries in a durable batch that has some.', buckets: ENTRIES },
  raft_apply_seconds: { type: 'histogram', help: 'Applying what one turn took.', buckets: DISK_SECONDS },
  raft_apply_entries_total: { type: 'counter', help: 'Entries applied.' },
  raft_snapshot_seconds: { type: 'histogram', help: 'One snapshot, until it is durable.', buckets: DISK_SECONDS },
  raft_snapshot_bytes: { type: 'gauge', help: 'Of the newest snapshot made here.' },
  raft_peer_lag_entries: { type: 'gauge', help: 'Entries that a peer lacks; only a leader knows.', labels: ['peer'] },
  raft_proposals_in_flight: { type: 'gauge', help: 'Commands that are queued, or in the log and not applied.' },
  raft_sessions: { type: 'gauge', help: 'Sessions of clients in the replicated table.' },
  raft_messages_dropped: { type: 'gauge', help: 'Messages of peers that found the mailbox full, since the start.' },
  raft_event_loop_lag_seconds: { type: 'histogram', help: 'How late a tick came.', buckets: LAG_SECONDS },
  raft_transport_sent_messages_total: { type: 'counter', help: 'Messages sent to a peer.', labels: ['peer'] },
  raft_transport_sent_bytes_total: { type: 'counter', help: 'What they took at most.', labels: ['peer'] },
  raft_transport_received_messages_total: {
    type: 'counter',
    help: 'Messages that came from a peer.',
    labels: ['peer'],
  },
  raft_transport_received_bytes_total: { type: 'counter', help: 'What they took at most.', labels: ['peer'] },
  raft_transport_dropped_messages_total: {
    type: 'counter',
    help: 'Messages given up before they were sent, by peer and reason.',
    labels: ['peer', 'reason'],
  },
  raft_transport_connects_total: { type: 'counter', help: 'Streams opened to a peer.', labels: ['peer'] },
  raft_transport_disconnects_total: { type: 'counter', help: 'Streams to a peer that were lost.', labels: ['peer'] },
  raft_transport_refused_total: { type: 'counter', help: 'Callers on the Raft port that were not let in.' },
  raft_transport_snapshot_sent_bytes_total: { type: 'counter', help: 'Of snapshots, to a peer.', labels: ['peer'] },
  raft_transport_snapshot_received_bytes_total: {
    type: 'counter',
    help: 'Of snapshots, from a peer.',
    labels: ['peer'],
  },
} as const satisfies Readonly<Record<string, MetricRow>>;

type Name = keyof typeof RAFT_METRICS;
type Named<Type extends MetricRow['type']> = {
  [K in Name]: (typeof RAFT_METRICS)[K]['type'] extends Type ? K : never;
}[Name];

/** Far more than a cluster has at a time; members come and go under new names. */
const PEER_LABELS_MAX = 64;

export interface RaftMetrics {
  readonly node: NodeObserver;
  readonly transport: TransportObserver;
  /** The node that gauges ask at each scrape. Without one they stay at 0. */
  watch(node: { measure(): Promise<NodeMeasures> }): void;
}

export function createRaftMetrics(registry: Registry): RaftMetrics {
  let watched: { measure(): Promise<NodeMeasures> } | undefined;
  let measuring: Promise<void> | undefined;
  const gauges = new Map<string, Gauge>();
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  // Whichever gauge is asked first in a scrape asks the node; the others wait for the same answer.
  const collect = async (): Promise<void> => {
    measuring ??= refresh().finally(() => {
      measuring = undefined;
    });
    await measuring;
  };
  const registers = [registry];
  for (const [name, row] of Object.entries(RAFT_METRICS) as [Name, MetricRow][]) {
    const { help } = row;
    const labelNames = [...(row.labels ?? [])];
    if (row.type === 'gauge') gauges.set(name, new Gauge({ name, help, labelNames, registers, collect }));
    else if (row.type === 'counter') counters.set(name, new Counter({ name, help, labelNames, registers }));
    else histograms.set(name, new Histogram({ name, help, buckets: [...(row.buckets ?? [])], registers }));
  }
  const set = (name: Named<'gauge'>, value: number): void => gauges.get(name)?.set(value);
  const add = (name: Named<'counter'>, value: number, labels: Readonly<Record<string, string>> = {}): void =>
    counters.get(name)?.inc(labels, value);
  const observe = (name: Named<'histogram'>, value: number): void => histograms.get(name)?.observe(value);
  const time = (name: Named<'histogram'>, durationMs: number): void => observe(name, durationMs / 1_000);

  async function refresh(): Promise<void> {
    const now = await watched?.measure();
    if (now === undefined) return;
    set('raft_state', now.state);
    set('raft_term', now.term);
    set('raft_commit_index', now.commitIndex);
    set('raft_applied_index', now.appliedIndex);
    set('raft_num_peers', now.peers);
    set('raft_leader', now.leads ? 1 : 0);
    set('raft_proposals_in_flight', now.proposalsInFlight);
    set('raft_sessions', now.sessions);
    set('raft_messages_dropped', now.messagesDropped);
    const lags = gauges.get('raft_peer_lag_entries');
    // Who led before knows no more; who was removed is no peer.
    lags?.reset();
    for (const [peer, entries] of now.peerLagEntries) lags?.set({ peer }, entries);
  }

  const peers = new Set<string>();
  const known = (peer: string): string => {
    if (!peers.has(peer) && peers.size >= PEER_LABELS_MAX) return 'other';
    peers.add(peer);
    return peer;
  };
  const counted = (name: Named<'counter'>, peer: string, value: number): void =>
    add(name, value, { peer: known(peer) });

  return {
    node: {
      appended: (durationMs, entries) => {
        time('raft_append_fsync_seconds', durationMs);
        if (entries > 0) observe('raft_append_entries', entries);
      },
      applied: (durationMs, entries) => {
        time('raft_apply_seconds', durationMs);
        add('raft_apply_entries_total', entries);
      },
      snapshotted: (durationMs, bytes) => {
        time('raft_snapshot_seconds', durationMs);
        set('raft_snapshot_bytes', bytes);
      },
      committed: (durationMs) => time('raft_commit_seconds', durationMs),
      leaderChanged: () => add('raft_leader_changes_total', 1),
      eventLoopLag: (lagMs) => time('raft_event_loop_lag_seconds', lagMs),
    },
    transport: {
      sent: (peer, messages, bytes) => {
        counted('raft_transport_sent_messages_total', peer, messages);
        counted('raft_transport_sent_bytes_total', peer, bytes);
      },
      received: (peer, messages, bytes) => {
        counted('raft_transport_received_messages_total', peer, messages);
        counted('raft_transport_received_bytes_total', peer, bytes);
      },
      dropped: (peer, messages, reason: DropReason) => {
        // Of whom nobody knows there is an id only.
        const label = reason === 'unknown' ? 'other' : known(peer);
        add('raft_transport_dropped_messages_total', messages, { peer: label, reason });
      },
      connected: (peer) => counted('raft_transport_connects_total', peer, 1),
      disconnected: (peer) => counted('raft_transport_disconnects_total', peer, 1),
      refused: () => add('raft_transport_refused_total', 1),
      snapshotSent: (peer, bytes) => counted('raft_transport_snapshot_sent_bytes_total', peer, bytes),
      snapshotReceived: (peer, bytes) => counted('raft_transport_snapshot_received_bytes_total', peer, bytes),
    },
    watch: (node) => {
      watched = node;
    },
  };
}
