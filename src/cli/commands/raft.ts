/** `zkraft raft`: the members of a replicated log, its leader, its snapshots; and the way out when a majority is lost. */
import type { Argv, CommandModule } from 'yargs';
import {
  folderPeers,
  folderSnapshots,
  type PeerRow,
  peerRow,
  refusalRow,
  type SnapshotRow,
  snapshotRow,
} from '../raft-rows.ts';
import { run } from '../run.ts';
import { settingsOf } from '../settings-flags.ts';
import { table } from '../text-table.ts';

interface Args {
  readonly json: boolean;
  readonly address: string;
  readonly 'cert-file'?: string;
  readonly 'key-file'?: string;
  readonly 'ca-file'?: string;
}

interface PlaceArgs extends Args {
  readonly dir?: string;
}

interface NameArgs extends Args {
  readonly name: string;
  readonly force: boolean;
}

const JSON_OPTION = { type: 'boolean', default: false, describe: 'The answer as JSON' } as const;
const text = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

const target = <T>(yargs: Argv<T>) =>
  yargs
    .option('address', {
      ...text('Raft port of any node, host:port; changes find the leader from it'),
      default: '127.0.0.1:7000',
    })
    .option('cert-file', text('Certificate (PEM) to show; else COORDINATOR_RAFT_CERT_FILE'))
    .option('key-file', text('Its private key (PEM); else COORDINATOR_RAFT_KEY_FILE'))
    .option('ca-file', text('Authority (PEM) of the cluster; else COORDINATOR_RAFT_CA_FILE'))
    .option('json', JSON_OPTION);

const onlineOrFolder = <T>(yargs: Argv<T>) =>
  target(yargs).option('dir', text('Raft directory of a node that does not run, instead of --address'));

async function calls(argv: Args) {
  const raft = await import('../raft-calls.ts');
  const { raftSecurity } = await import('../../launch/index.ts');
  const flags = Object.fromEntries(
    (['cert-file', 'key-file', 'ca-file'] as const).flatMap((name) =>
      argv[name] === undefined ? [] : [[`coordinator-raft-${name}`, argv[name]]],
    ),
  );
  return { raft, at: { address: argv.address, security: raftSecurity(settingsOf(flags)) } };
}

const status: CommandModule<object, Args> = {
  command: 'status',
  describe: 'Shows how a node stands: its state, its leader, its log',
  builder: (yargs) => target(yargs).example('$0 raft status --address 10.0.0.5:7000', 'That node'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { raft, at } = await calls(argv);
      const s = await raft.raftStatus(at);
      const json = {
        state: s.state,
        waiting: s.waiting,
        node: s.node,
        incarnation: Number(s.incarnation),
        cluster_id: s.clusterId,
        epoch: Number(s.epoch),
        leader: s.leader,
        leader_client_address: s.leaderClientAddress,
        term: Number(s.term),
        commit_index: Number(s.commitIndex),
        applied_index: Number(s.appliedIndex),
        snapshot_index: Number(s.snapshotIndex),
        peers: s.peers,
      };
      const refusals = s.refusals.map(refusalRow);
      terminal.answer({ success: true, ...json, refusals }, [
        ...table(
          undefined,
          Object.entries(json).map(([key, value]) => [key.replaceAll('_', ' '), value === '' ? '-' : String(value)]),
        ),
        ...(s.waiting ? ['this node has no log: it waits until a leader adds it (zkraft raft add-peer)'] : []),
        ...refusals.map(
          ({ peer, reason, count, ago_ms }) =>
            `not let in: ${peer}, ${count} times, last ${Math.round(ago_ms / 1_000)} s ago: ${reason}`,
        ),
      ]);
      return 0;
    }),
};

const list: CommandModule<object, PlaceArgs> = {
  command: 'list-peers',
  describe: 'Lists the members, with or without a leader; with --dir from the folder of a node that does not run',
  builder: (yargs) =>
    onlineOrFolder(yargs)
      .example('$0 raft list-peers', 'As the node on this machine knows them')
      .example('$0 raft list-peers --dir /var/lib/zkp/raft', 'While nothing runs'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const peers = argv.dir === undefined ? await onlinePeers(argv) : await folderPeers(argv.dir);
      const rows = peers.map((peer) => [
        peer.node || '-',
        peer.role,
        peer.leader ? 'yes' : '',
        peer.raft_address || '-',
        peer.client_address || '-',
        peer.lag_entries === undefined ? '' : String(peer.lag_entries),
        peer.in_touch === undefined ? '' : peer.in_touch ? 'yes' : 'no',
        peer.link ?? '',
        String(peer.incarnation),
      ]);
      const columns = ['NODE', 'ROLE', 'LEADER', 'RAFT', 'CLIENTS', 'LAG', 'IN TOUCH', 'LINK', 'INCARNATION'];
      terminal.answer(
        { success: true, peers },
        peers.length === 0
          ? ['this node is a member of no cluster yet: a leader must add it (zkraft raft add-peer)']
          : [
              ...table(columns, rows),
              ...peers.flatMap(({ node, link_problem }) => (link_problem ? [`${node}: ${link_problem}`] : [])),
            ],
      );
      return 0;
    }),
};

const snapshots: CommandModule<object, PlaceArgs> = {
  command: 'snapshot-info',
  describe: 'Shows the snapshots on a node, with or without a leader; with --dir each is verified',
  builder: (yargs) => onlineOrFolder(yargs).example('$0 raft snapshot-info', 'Those of the node on this machine'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const found = argv.dir === undefined ? await onlineSnapshots(argv) : await folderSnapshots(argv.dir);
      terminal.answer(
        { success: true, snapshots: found },
        found.length === 0
          ? ['no snapshot was made yet']
          : table(
              ['INDEX', 'TERM', 'VOTERS', 'LEARNERS', 'BYTES', 'PROBLEM'],
              found.map((one) => [
                String(one.index),
                String(one.term),
                String(one.voters.length),
                String(one.learners.length),
                one.bytes === undefined ? '' : String(one.bytes),
                one.problem ?? '',
              ]),
            ),
      );
      return found.some(({ problem }) => problem !== undefined) ? 1 : 0;
    }),
};

const add: CommandModule<object, Args & { readonly peer: string }> = {
  command: 'add-peer <peer>',
  describe: 'Adds the node that waits at an address, as a learner; again, it brings its addresses up to date',
  builder: (yargs) =>
    target(yargs)
      .positional('peer', { type: 'string', demandOption: true, describe: 'Raft port of the new node, host:port' })
      .example('$0 raft add-peer 10.0.0.8:7000', 'A learner, and a voter once it has caught up'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { raft, at } = await calls(argv);
      const peer = await raft.addPeer(at, argv.peer);
      const row = peer === undefined ? undefined : peerRow(peer);
      terminal.answer({ success: true, peer: row }, [
        `${row?.node ?? argv.peer} is a ${row?.role ?? 'learner'}`,
        ...(row?.role === 'learner' ? [`Once it has caught up: zkraft raft promote ${row.node}`] : []),
      ]);
      return 0;
    }),
};

const named = <A extends NameArgs>(yargs: Argv<object>, force: string) =>
  target(yargs)
    .positional('name', { type: 'string', demandOption: true, describe: 'Name of the node' })
    .option('force', { type: 'boolean', default: false, describe: force }) as unknown as Argv<A>;

const promote: CommandModule<object, NameArgs> = {
  command: 'promote <name>',
  describe: 'Makes a voter of a learner that has caught up',
  builder: (yargs) =>
    named<NameArgs>(yargs, 'Also one that lags, or was not in touch for long').example('$0 raft promote c3', ''),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { raft, at } = await calls(argv);
      await raft.promotePeer(at, argv.name, argv.force);
      terminal.answer({ success: true, node: argv.name, role: 'voter' }, [`${argv.name} is a voter`]);
      return 0;
    }),
};

const remove: CommandModule<object, NameArgs> = {
  command: 'remove-peer <name>',
  describe: 'Removes a member',
  builder: (yargs) =>
    named<NameArgs>(yargs, 'Also where no majority would be in touch').example('$0 raft remove-peer c3', ''),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { raft, at } = await calls(argv);
      await raft.removePeer(at, argv.name, argv.force);
      terminal.answer({ success: true, node: argv.name }, [
        `${argv.name} is no member any more; stop its process if it still runs`,
      ]);
      return 0;
    }),
};

const transfer: CommandModule<object, Args & { readonly to?: string }> = {
  command: 'transfer-leadership',
  describe: 'Hands leadership over, without an election timeout',
  builder: (yargs) =>
    target(yargs)
      .option('to', text('Name of the voter that is to lead [default: the one that has most of the log]'))
      .example('$0 raft transfer-leadership --to c2', 'Before c1 is taken down'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { raft, at } = await calls(argv);
      const leader = await raft.transferLeadership(at, argv.to ?? '');
      terminal.answer({ success: true, leader }, [`${leader} leads`]);
      return 0;
    }),
};

const down: CommandModule<object, Args> = {
  command: 'step-down',
  describe: 'Ends the leadership of the leader, whether or not somebody can take over',
  builder: (yargs) => target(yargs).example('$0 raft step-down', 'The leader is found from any node'),
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { raft, at } = await calls(argv);
      await raft.stepDown(at);
      terminal.answer({ success: true }, ['the leader has stepped down']);
      return 0;
    }),
};

const recover: CommandModule<object, { readonly json: boolean; readonly dir: string; readonly force: boolean }> = {
  command: 'recover',
  describe: 'When a majority is lost for good: makes a new cluster of one node from its folder, while it does not run',
  builder: (yargs) =>
    yargs
      .option('dir', { ...text('Raft directory of the node with the longest log'), demandOption: true })
      .option('force-new-cluster', {
        type: 'boolean',
        default: false,
        describe:
          'That you know: what this node does not have is lost, and the other nodes must be wiped and added anew',
      })
      .option('json', JSON_OPTION)
      .example('$0 raft recover --dir /var/lib/zkp/raft --force-new-cluster', 'The last way out') as unknown as Argv<{
      json: boolean;
      dir: string;
      force: boolean;
    }>,
  handler: (argv) =>
    run(argv.json, async ({ terminal }) => {
      const { recoverFolder } = await import('../../launch/index.ts');
      const consent = (argv as unknown as Record<string, unknown>)['force-new-cluster'] === true;
      const recovered = await recoverFolder({ dir: argv.dir, consent });
      const { name, clusterId, oldClusterId, epoch, lastIndex, backup } = recovered;
      terminal.answer(
        {
          success: true,
          node: name,
          cluster_id: clusterId,
          old_cluster_id: oldClusterId,
          epoch,
          last_index: lastIndex,
          backup,
        },
        [
          `${name} is a cluster of its own, ${clusterId}, with all ${lastIndex} entries that it had`,
          `the old files are in ${backup}`,
          'start it, wipe the raft directories of the other nodes, and add them anew: zkraft raft add-peer',
        ],
      );
      return 0;
    }),
};

export const raft: CommandModule = {
  command: 'raft',
  describe: 'Looks at and changes the members of the replicated log',
  builder: (yargs) =>
    yargs
      .command(status)
      .command(list)
      .command(snapshots)
      .command(add)
      .command(promote)
      .command(remove)
      .command(transfer)
      .command(down)
      .command(recover)
      .option('json', JSON_OPTION)
      .demandCommand(1, 'Name what to do; zkraft raft --help lists it.')
      .example('$0 raft list-peers', 'Members, as the node on this machine knows them'),
  handler: () => {},
};

async function onlinePeers(argv: Args): Promise<PeerRow[]> {
  const { raft, at } = await calls(argv);
  return (await raft.listPeers(at)).map(peerRow);
}

async function onlineSnapshots(argv: Args): Promise<SnapshotRow[]> {
  const { raft, at } = await calls(argv);
  return (await raft.snapshotInfo(at)).map(snapshotRow);
}
