/** What runs once a node has a log: its state restored, the driver, and what the driver's ticks look after. */
import type { ZkraftError } from '../../common/index.ts';
import type { StateMachine } from '../replicated-log.ts';
import { chooseSnapshot } from '../storage/index.ts';
import { Announcements } from './announcements.ts';
import { Driver } from './driver.ts';
import { Formation } from './formation.ts';
import type { Member } from './members.ts';
import { Membership } from './membership.ts';
import type { OpenPlace } from './place.ts';
import type { NodeTransport } from './ports.ts';
import { Promotion } from './promotion.ts';
import type { RaftNodeOptions } from './raft-node.ts';
import { ReplicatedState } from './replicated-state.ts';

export interface Running<Result> extends OpenPlace {
  readonly driver: Driver<Result>;
  readonly state: ReplicatedState<Result>;
  readonly membership: Membership<Result>;
  readonly announcements: Announcements;
  /** Why the driver has ended by itself. */
  readonly failure: () => ZkraftError | undefined;
}

export interface Parts<Result> {
  readonly open: OpenPlace;
  readonly machine: StateMachine<Result>;
  readonly transport: NodeTransport;
  readonly self: Member;
  /** What `status` says may be another thing now. */
  readonly changed: () => void;
}

/** The driver is still to be started. Rejects with `log_corrupt`. */
export async function assemble<Result>(
  options: RaftNodeOptions<Result>,
  { open, machine, transport, self, changed }: Parts<Result>,
): Promise<Running<Result>> {
  const { log, store } = open;
  const { logger, runtime, membership: rules, heartbeatTimeoutMs: retryMs } = options;
  const state = new ReplicatedState<Result>(machine, options.codec);
  const sound = await chooseSnapshot(log, store, (error) => logger.error({ err: error }, 'passed over a snapshot'));
  if (sound === undefined) state.begin(log.initialState().confState);
  else {
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.read(sound.metadata)) chunks.push(chunk);
    state.restore(Buffer.concat(chunks), sound.metadata);
    transport.setMembers(state.members.all());
  }
  let failure: ZkraftError | undefined;
  const driver: Driver<Result> = new Driver<Result>({
    ...options,
    id: log.identity.nodeId,
    self,
    log,
    store,
    state,
    transport,
    changed,
    ticked: () => {
      void promotion.consider();
      void formation.consider();
      void announcements.consider();
    },
    failed: (error) => {
      failure = error;
      options.onFatal(error);
    },
  });
  const membership = new Membership<Result>({ driver, state, runtime, rules });
  const promotion = new Promotion<Result>({ driver, state, membership, runtime, rules, retryMs, logger });
  // Who is a member is known once an entry of its own term is applied.
  const leads = (): boolean => driver.leads && !driver.isHandingOver && state.appliedTerm === driver.term;
  const isChanging = (): boolean => membership.isChanging;
  const formation = new Formation({
    peers: options.peers ?? [],
    self: options.name,
    leads,
    isChanging,
    member: (name) => state.members.named(name),
    identify: (address) => transport.identify(address),
    add: (member) => membership.add(member),
    now: runtime.now,
    retryMs,
    logger,
  });
  const announcements = new Announcements({
    self,
    leads,
    isChanging,
    member: (id) => state.members.get(id),
    announce: (member) => membership.announce(member),
    now: runtime.now,
    retryMs,
    logger,
  });
  return { log, store, driver, state, membership, announcements, failure: () => failure };
}
