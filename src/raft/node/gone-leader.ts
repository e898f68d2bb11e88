/**
 * A leader whose process has ended is not waited for.
 *
 * Where nobody listens any more, the transport says so at once (`PeerEvents.gone`), long before the silence would tell.
 * A follower then forgets its leader, so that it votes for another, and campaigns: the voters one after the other, in the
 * order of their ids, so that no two of them split the votes. To be wrong costs nothing. Whoever still hears the leader
 * refuses the pre-vote, and the leader's next heartbeat is followed as before; etcd's core has `ForgetLeader` for the same
 * purpose.
 */
import type { RawNode, SoftState } from '../core/index.ts';
import { NO_NODE, type NodeId } from '../types.ts';
import type { Contacts } from './contacts.ts';
import { ELECTION_TICKS } from './core-view.ts';
import type { Runtime } from './ports.ts';
import type { ReplicatedState } from './replicated-state.ts';

/** A leader that is heard of is not gone, whatever its port says. In ticks, which is heartbeats. */
const SILENCE_TICKS = 2;
/** After forgetting: the others get to know it too. */
const FIRST_CAMPAIGN_TICKS = 2;
/** Between one voter's attempt and the next one's: an election among who is there takes far less. */
const STAGGER_TICKS = 3;

export interface GoneLeaderOptions {
  readonly id: NodeId;
  readonly state: Pick<ReplicatedState<never>, 'confState'>;
  readonly contacts: Contacts;
  readonly runtime: Pick<Runtime, 'now'>;
  readonly heartbeatTimeoutMs: number;
}

export class GoneLeader {
  readonly #options: GoneLeaderOptions;
  #suspect: NodeId = NO_NODE;
  #ticks = 0;

  constructor(options: GoneLeaderOptions) {
    this.#options = options;
  }

  gone(id: NodeId): void {
    if (this.#suspect !== id) this.#ticks = 0;
    this.#suspect = id;
  }

  heard(id: NodeId): void {
    if (id === this.#suspect) this.#clear();
  }

  tick(core: Pick<RawNode, 'forgetLeader' | 'campaign'>, { role, lead }: SoftState): void {
    const suspect = this.#suspect;
    if (suspect === NO_NODE) return;
    if (role !== 'follower' || (lead !== suspect && lead !== NO_NODE)) {
      this.#clear();
      return;
    }
    if (this.#ticks === 0 && (lead === NO_NODE || !this.#isSilent(suspect))) return;
    this.#ticks += 1;
    if (this.#ticks === 1) core.forgetLeader();
    const rank = this.#rank();
    if (rank === -1 || this.#ticks < FIRST_CAMPAIGN_TICKS + STAGGER_TICKS * rank) return;
    this.#clear();
    core.campaign();
  }

  #isSilent(id: NodeId): boolean {
    const { contacts, runtime, heartbeatTimeoutMs } = this.#options;
    const silentMs = contacts.silentForMs(id, runtime.now());
    return silentMs === undefined || silentMs >= (SILENCE_TICKS * heartbeatTimeoutMs) / ELECTION_TICKS;
  }

  /** -1: this node does not vote. */
  #rank(): number {
    const voters = this.#options.state.confState.voters.filter((id) => id !== this.#suspect);
    return voters.sort((a, b) => a - b).indexOf(this.#options.id);
  }

  #clear(): void {
    this.#suspect = NO_NODE;
    this.#ticks = 0;
  }
}
