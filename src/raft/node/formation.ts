/**
 * How a cluster comes together from settings: its leader adds the nodes that are listed and wait to be added.
 *
 * Only whoever answers at its address under its listed name, is of no cluster, and has no namesake among the members is
 * added; so it can go on for ever and needs no memory. A node that was removed keeps its log, is therefore not waiting,
 * and stays out. One that lost its disk waits, but its name is taken by what it was: an operator removes that first
 * (rule 8). Promotion is as for every learner. Who may begin is said in `beginning.ts`.
 */
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { Member } from './members.ts';
import type { PeerIdentity } from './ports.ts';

/** A node as settings list it. */
export interface ListedPeer {
  readonly name: string;
  readonly raftAddress: string;
}

export interface FormationOptions {
  /** This node may be among them. */
  readonly peers: readonly ListedPeer[];
  readonly self: string;
  readonly leads: () => boolean;
  readonly isChanging: () => boolean;
  readonly member: (name: string) => Member | undefined;
  readonly identify: (raftAddress: string) => Promise<PeerIdentity>;
  readonly add: (member: Member) => Promise<Member>;
  readonly now: () => number;
  /** Between two tries of one peer. */
  readonly retryMs: number;
  readonly logger: Logger;
}

export class Formation {
  readonly #options: FormationOptions;
  readonly #notBeforeMs = new Map<string, number>();
  /** What is wrong with a peer, so that it is said once. */
  readonly #said = new Map<string, string>();
  #isUnderWay = false;

  constructor(options: FormationOptions) {
    this.#options = options;
  }

  /** Tries one of the missing, if it is time to. Resolves when that has ended; never rejects. */
  async consider(): Promise<void> {
    if (this.#isUnderWay || !this.#options.leads() || this.#options.isChanging()) return;
    const peer = this.#missing();
    if (peer === undefined) return;
    this.#isUnderWay = true;
    try {
      await this.#bringIn(peer);
      this.#said.delete(peer.name);
    } catch (error) {
      this.#sayOnce(peer, ZkraftError.from(error));
    } finally {
      // From the end: one that takes long to fail must not hold the others up.
      this.#notBeforeMs.set(peer.name, this.#options.now() + this.#options.retryMs);
      this.#isUnderWay = false;
    }
  }

  #missing(): ListedPeer | undefined {
    const { peers, self, member, now } = this.#options;
    const nowMs = now();
    return peers.find(
      ({ name }) => name !== self && member(name) === undefined && (this.#notBeforeMs.get(name) ?? 0) <= nowMs,
    );
  }

  async #bringIn({ name, raftAddress }: ListedPeer): Promise<void> {
    const { identify, add, logger, leads } = this.#options;
    const { clusterId, ...found } = await identify(raftAddress);
    if (found.name !== name) {
      throw refused(`the node at ${raftAddress} is called "${found.name}", and the settings list "${name}" there`);
    }
    if (clusterId !== undefined) {
      throw refused(
        `"${name}" at ${raftAddress} is of a cluster, ${clusterId}, already, or was removed from this one; to use it ` +
          'here, give its node an empty raft directory',
      );
    }
    if (!leads()) return;
    await add(found);
    logger.info({ node: name, raft_address: raftAddress }, 'a listed node waited, and was added');
  }

  #sayOnce({ name }: ListedPeer, { code, message }: ZkraftError): void {
    const isNew = this.#said.get(name) !== message;
    this.#said.set(name, message);
    const fields = { node: name, code, reason: message };
    // One that has not started yet, and a leadership that has just ended, are no news.
    if (isNew && code === 'membership_refused') this.#options.logger.warn(fields, 'a listed node cannot be added');
    else this.#options.logger.debug(fields, 'a listed node was not added yet');
  }
}

const refused = (why: string): ZkraftError => new ZkraftError('membership_refused', why);
