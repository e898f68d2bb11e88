/**
 * Changes of the members, as an operator asks for them. Rules 6 and 8.
 *
 * One at a time, and none before this leader has committed an entry of its own term: until then it may not know the
 * configuration that a majority has. Who is added is a learner; it becomes a voter once it has nearly all of the log and
 * has been in touch without a gap. What would leave fewer voters in touch than a majority is refused, unless forced.
 */
import { ZkraftError } from '../../common/index.ts';
import type { ConfChangeStep, CoreStatus, RawNode } from '../core/index.ts';
import type { NodeId } from '../types.ts';
import type { Driver } from './driver.ts';
import { encodeMembers, type Member, type Members, roleOf, sameMember } from './members.ts';
import type { Runtime } from './ports.ts';
import type { ReplicatedState } from './replicated-state.ts';

export interface MembershipRules {
  /** A learner that lacks more is not promoted. */
  readonly promoteLagEntriesMax: number;
  readonly promoteInTouchMs: number;
  /** A leader promotes whom the two rules above allow, unasked (`promotion.ts`). */
  readonly autoPromote: boolean;
}

export const MEMBERSHIP_RULES: MembershipRules = {
  promoteLagEntriesMax: 250,
  promoteInTouchMs: 10_000,
  autoPromote: true,
};

/** One change of a member; its entry in the record goes along where that is new. */
type Step = ConfChangeStep & { readonly member?: Member };

export interface MembershipOptions<Result> {
  readonly driver: Driver<Result>;
  readonly state: ReplicatedState<Result>;
  readonly runtime: Pick<Runtime, 'now'>;
  readonly rules: MembershipRules;
}

export class Membership<Result> {
  readonly #options: MembershipOptions<Result>;
  /** Between the proposal of a change and its end. */
  #isChanging = false;

  constructor(options: MembershipOptions<Result>) {
    this.#options = options;
  }

  get isChanging(): boolean {
    return this.#isChanging;
  }

  /** As a learner. Again for the same incarnation: its addresses are brought up to date. */
  async add(member: Member): Promise<Member> {
    const { state } = this.#options;
    await this.#change((status) => {
      this.#requireCommitInTerm(status);
      const before = state.members.named(member.name);
      if (before !== undefined && before.nodeId !== member.nodeId) {
        throw refused(
          `"${member.name}" is a member already, as another incarnation (${before.nodeId}, and not ${member.nodeId}): ` +
            'if it lost its disk, remove it first, then add it anew',
        );
      }
      const isKnown = roleOf(state.confState, member.nodeId) !== undefined;
      return [{ kind: isKnown ? 'update' : 'add-learner', nodeId: member.nodeId, member }];
    });
    return member;
  }

  /** Of a voter it changes nothing, and succeeds: the learner may have been promoted unasked. */
  async promote(name: string, force = false): Promise<void> {
    const { state, driver } = this.#options;
    if (!driver.leads) throw driver.notLeader();
    if (state.confState.voters.includes(memberNamed(state.members, name).nodeId)) return;
    await this.#change((status) => {
      this.#requireCommitInTerm(status);
      const { nodeId } = memberNamed(state.members, name);
      if (!force) this.#requireReady(name, nodeId, status);
      return [{ kind: 'add-voter', nodeId }];
    });
  }

  /** Both at once, through a joint configuration (thesis, 4.3): a majority of the old and of the new voters decides. */
  async replace(voter: string, learner: string, force = false): Promise<void> {
    const { state } = this.#options;
    await this.#change((status) => {
      this.#requireCommitInTerm(status);
      const out = memberNamed(state.members, voter).nodeId;
      const into = memberNamed(state.members, learner).nodeId;
      if (roleOf(state.confState, out) !== 'voter')
        throw refused(`"${voter}" is no voter; remove it, nobody need replace it`);
      if (roleOf(state.confState, into) !== 'learner') throw refused(`"${learner}" is a voter already`);
      if (out === status.id && !force) {
        throw refused(`"${voter}" leads; transfer leadership first, then ask the new leader, or force it`);
      }
      if (!force) this.#requireReady(learner, into, status);
      const voters = [...state.confState.voters.filter((id) => id !== out), into];
      this.#requireActiveQuorum(voters, status.id, `with "${learner}" for "${voter}"`, force);
      return [
        { kind: 'add-voter', nodeId: into },
        { kind: 'remove', nodeId: out },
      ];
    });
  }

  async remove(name: string, force = false): Promise<void> {
    const { state } = this.#options;
    await this.#change((status) => {
      this.#requireCommitInTerm(status);
      const { nodeId } = memberNamed(state.members, name);
      const { voters } = state.confState;
      if (voters.includes(nodeId)) {
        if (voters.length === 1) throw refused(`"${name}" is the only voter; a cluster cannot be without one`);
        if (nodeId === status.id && !force) {
          throw refused(`"${name}" leads; transfer leadership first, then ask the new leader, or force it`);
        }
        this.#requireActiveQuorum(
          voters.filter((id) => id !== nodeId),
          status.id,
          `without "${name}"`,
          force,
        );
      }
      return [{ kind: 'remove', nodeId }];
    });
  }

  /** A leader whose own entry in the record is missing or out of date brings it up to date. Says whether it did. */
  async announce(self: Member): Promise<boolean> {
    const known = this.#options.state.members.get(self.nodeId);
    if (known !== undefined && sameMember(known, self)) return false;
    await this.#change((status) => {
      this.#requireCommitInTerm(status);
      return [{ kind: 'update', nodeId: self.nodeId, member: self }];
    });
    return true;
  }

  async #change(decide: (status: CoreStatus) => readonly Step[]): Promise<void> {
    const { driver } = this.#options;
    if (!driver.leads) throw driver.notLeader();
    if (this.#isChanging) throw busy('another change of the members is under way');
    this.#isChanging = true;
    try {
      await driver.proposeInTurn((core) => this.#propose(core, decide(core.status())));
      // A node changes its configuration when it learns that the change is committed. Were this leader lost before a
      // majority knows, the others would go on looking for the old majority; a round of heartbeats tells them.
      await driver.readIndex().catch(() => {});
    } finally {
      this.#isChanging = false;
    }
  }

  #propose(core: RawNode, steps: readonly Step[]): { index: number; term: number } {
    const context = encodeMembers(steps.flatMap(({ member }) => member ?? []));
    const changes = steps.map(({ kind, nodeId }): ConfChangeStep => ({ kind, nodeId }));
    const [only] = changes;
    const outcome = core.proposeConfChange(
      changes.length === 1 && only !== undefined
        ? { version: 1, change: only, context }
        : { version: 2, transition: 'auto', changes, context },
    );
    if (outcome.status !== 'appended') throw this.#options.driver.notLeader();
    // The entry stands in the log all the same, and is empty.
    if (outcome.refusedChange !== undefined) throw busy(outcome.refusedChange);
    return outcome;
  }

  /** A learner that lags, or comes and goes, would be a voter in name only. */
  #requireReady(name: string, nodeId: NodeId, status: CoreStatus): void {
    const { driver, runtime, rules } = this.#options;
    const match = status.progress.get(nodeId)?.match ?? 0;
    const lag = status.lastIndex - match;
    if (lag > rules.promoteLagEntriesMax) {
      throw refused(
        `"${name}" lacks ${lag} entries; a learner may lack ${rules.promoteLagEntriesMax} to become a voter. ` +
          'Wait until it has caught up, or force it',
      );
    }
    const inTouchMs = driver.contacts.inTouchForMs(nodeId, runtime.now());
    if (inTouchMs < rules.promoteInTouchMs) {
      throw refused(
        `"${name}" has been in touch for ${Math.round(inTouchMs / 1_000)} s; it takes ` +
          `${rules.promoteInTouchMs / 1_000} s without a gap. Wait, or force it`,
      );
    }
  }

  #requireCommitInTerm(status: CoreStatus): void {
    if (status.role !== 'leader') throw this.#options.driver.notLeader();
    if (this.#options.state.appliedTerm !== status.term) {
      throw busy(`this leader has not committed an entry of its term ${status.term} yet`);
    }
  }

  #requireActiveQuorum(voters: readonly NodeId[], self: NodeId, when: string, force: boolean): void {
    const { driver, runtime } = this.#options;
    const nowMs = runtime.now();
    const active = voters.filter((id) => id === self || driver.contacts.isInTouch(id, nowMs));
    const needed = Math.floor(voters.length / 2) + 1;
    if (active.length >= needed || force) return;
    throw refused(
      `${when}, ${active.length} of ${voters.length} voters would be in touch, and a majority is ${needed}: nothing could ` +
        'be committed any more. Bring the others back first, or force it',
    );
  }
}

export function memberNamed(members: Members, name: string): Member {
  const member = members.named(name);
  if (member !== undefined) return member;
  const names = members.all().map((one) => one.name);
  throw new ZkraftError('peer_not_found', `no member is called "${name}"; there are: ${names.join(', ') || 'none'}`, {
    field: 'name',
  });
}

const refused = (why: string): ZkraftError => new ZkraftError('membership_refused', why);
const busy = (why: string): ZkraftError => new ZkraftError('membership_busy', `${why}; try again`);
