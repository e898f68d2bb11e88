/**
 * What members say of themselves, brought into the record by whoever leads: addresses that have changed, and the version
 * of the host's commands that a node understands since it was upgraded.
 *
 * Each node says it in its handshakes, to all; leaders come and go, and one change of the record excludes another. So what
 * was heard is remembered by everybody, and a leader looks again at each tick until the record says the same. It is
 * forgotten when the record has changed otherwise: somebody who led in between heard something newer.
 */
import type { Logger } from '../../common/index.ts';
import { ZkraftError } from '../../common/index.ts';
import type { NodeId } from '../types.ts';
import { type Member, sameMember } from './members.ts';

export interface AnnouncementsOptions {
  readonly self: Member;
  /** It leads, and has applied an entry of its term: it knows the record. */
  readonly leads: () => boolean;
  readonly isChanging: () => boolean;
  readonly member: (id: NodeId) => Member | undefined;
  readonly announce: (member: Member) => Promise<unknown>;
  readonly now: () => number;
  /** After a failure. */
  readonly retryMs: number;
  readonly logger: Logger;
}

export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #heard = new Map<NodeId, { readonly said: Member; readonly instead: Member }>();
  #isUnderWay = false;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  heard(said: Member): void {
    this.#heard.delete(said.nodeId);
    const instead = this.#options.member(said.nodeId);
    if (instead === undefined || sameMember(instead, said)) return;
    this.#heard.set(said.nodeId, { said, instead });
  }

  /** Announces one, if it is time to. Never rejects. */
  async consider(): Promise<void> {
    const { leads, isChanging, announce, now, retryMs, logger } = this.#options;
    if (this.#isUnderWay || !leads() || isChanging() || now() < this.#notBeforeMs) return;
    const news = this.#news();
    if (news === undefined) return;
    this.#isUnderWay = true;
    try {
      await announce(news);
      logger.info(
        { node: news.name, host_version: news.hostVersion ?? 0 },
        'the record of a member was brought up to date',
      );
    } catch (error) {
      this.#notBeforeMs = now() + retryMs;
      logger.debug({ node: news.name, reason: ZkraftError.from(error).message }, 'the record of a member is still old');
    } finally {
      this.#isUnderWay = false;
    }
  }

  /** Of members alone; the first of a cluster is in no record before it has announced itself. */
  #news(): Member | undefined {
    const { self, member } = this.#options;
    const recorded = member(self.nodeId);
    if (recorded === undefined || !sameMember(recorded, self)) return self;
    for (const [id, { said, instead }] of this.#heard) {
      const known = member(id);
      if (known !== undefined && sameMember(known, instead)) return said;
      this.#heard.delete(id);
    }
    return undefined;
  }
}
