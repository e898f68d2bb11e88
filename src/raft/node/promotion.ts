/**
 * Learners become voters by themselves, once they have nearly all of the log and have been in touch for long enough.
 * Rule 6; thesis, 4.2.1.
 *
 * The leader looks once a tick. It proposes what an operator's `promote` would, under the same rules, so that nothing is
 * promoted that could not be asked for. A change that is under way, or leadership that is being handed over, goes first;
 * what was refused is tried again later.
 */
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { NodeId } from '../types.ts';
import type { Driver } from './driver.ts';
import type { Member } from './members.ts';
import type { Membership, MembershipRules } from './membership.ts';
import type { Runtime } from './ports.ts';
import type { ReplicatedState } from './replicated-state.ts';

export interface PromotionOptions<Result> {
  readonly driver: Pick<Driver<Result>, 'leads' | 'isHandingOver' | 'contacts' | 'coreStatus'>;
  readonly state: Pick<ReplicatedState<Result>, 'confState' | 'members'>;
  readonly membership: Pick<Membership<Result>, 'isChanging' | 'promote'>;
  readonly runtime: Pick<Runtime, 'now'>;
  readonly rules: MembershipRules;
  /** After one that was refused. */
  readonly retryMs: number;
  readonly logger: Logger;
}

export class Promotion<Result> {
  readonly #options: PromotionOptions<Result>;
  #isUnderWay = false;
  #notBeforeMs = 0;

  constructor(options: PromotionOptions<Result>) {
    this.#options = options;
  }

  /** Begins one, of one learner, if there is one to begin. Resolves when it has ended; never rejects. */
  async consider(): Promise<void> {
    const { rules, runtime } = this.#options;
    if (!rules.autoPromote || this.#isUnderWay || runtime.now() < this.#notBeforeMs || !this.#isTheTime()) return;
    const inTouch = this.#learnersInTouch();
    if (inTouch.length === 0) return;
    this.#isUnderWay = true;
    try {
      await this.#promoteOneOf(inTouch);
    } finally {
      this.#isUnderWay = false;
    }
  }

  #isTheTime(): boolean {
    const { driver, membership, state } = this.#options;
    const isJoint = state.confState.votersOutgoing.length > 0;
    return driver.leads && !driver.isHandingOver && !membership.isChanging && !isJoint;
  }

  #learnersInTouch(): readonly Member[] {
    const { driver, state, rules, runtime } = this.#options;
    const nowMs = runtime.now();
    return state.confState.learners
      .filter((id) => driver.contacts.inTouchForMs(id, nowMs) >= rules.promoteInTouchMs)
      .flatMap((id) => state.members.get(id) ?? []);
  }

  async #promoteOneOf(learners: readonly Member[]): Promise<void> {
    const { driver, membership, rules, runtime, retryMs, logger } = this.#options;
    try {
      const { progress, lastIndex } = await driver.coreStatus();
      const lagOf = (id: NodeId): number => lastIndex - (progress.get(id)?.match ?? 0);
      const ready = learners.find(({ nodeId }) => lagOf(nodeId) <= rules.promoteLagEntriesMax);
      // A turn has gone by: somebody's change may have begun in it.
      if (ready === undefined || !this.#isTheTime()) return;
      await membership.promote(ready.name);
      logger.info(
        { node: ready.name, lag_entries: lagOf(ready.nodeId) },
        'a learner has caught up, and votes from now on',
      );
    } catch (error) {
      this.#notBeforeMs = runtime.now() + retryMs;
      const { code, message } = ZkraftError.from(error);
      logger.debug({ code, reason: message }, 'a learner was not promoted yet');
    }
  }
}
