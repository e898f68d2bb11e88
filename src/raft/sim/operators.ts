/** Operators: they add, promote, replace and remove members, and move the leadership, all at a bad time. */
import type { RaftNode } from '../node/index.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

const CHANGE_LIMIT_MS = 10_000;
const VOTERS_MIN = 2;

export class Operator {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async run(everyMs: number): Promise<void> {
    const { random } = this.#world;
    while (this.#world.isOpen) {
      await this.#world.pause(random.exponential(everyMs));
      const leader = this.#leader();
      if (leader?.node !== undefined && !this.#world.areOperatorsResting) await this.#operate(leader, leader.node);
    }
  }

  #leader(): Host | undefined {
    const leaders = this.#world.hosts.filter(({ node }) => node?.outline().state === 'Leader');
    return this.#world.random.pick(leaders);
  }

  async #operate(leader: Host, node: RaftNode<string>): Promise<void> {
    const { random, coverage } = this.#world;
    const peers = await this.#world.within(CHANGE_LIMIT_MS, node.peers()).catch(() => undefined);
    if (peers === undefined) return;
    const voters = peers.filter(({ role }) => role === 'voter');
    const learners = peers.filter(({ role }) => role === 'learner');
    const known = new Map(peers.map(({ name, nodeId }) => [name, nodeId]));
    const outside = this.#world.hosts.filter(({ name, isUp }) => isUp && !known.has(name));
    // Another incarnation lives under the name: what the record has is gone for good.
    const lost = this.#world.hosts.filter(({ name, nodeId }) => known.has(name) && known.get(name) !== nodeId);

    const [gone] = lost;
    if (gone !== undefined) return await this.#change(leader, () => node.removePeer(gone.name));
    const draw = random.unit();
    if (draw < 0.2 || (draw < 0.5 && learners.length === 0 && voters.length <= VOTERS_MIN)) {
      const stranger = random.pick(outside);
      if (stranger !== undefined)
        return await this.#change(leader, async () => void (await node.addPeer(stranger.name)));
    }
    if (draw < 0.5) {
      const learner = random.pick(learners);
      const voter = random.pick(voters.filter(({ isSelf }) => !isSelf));
      if (learner !== undefined && voter !== undefined && voters.length > VOTERS_MIN && random.happens(0.6)) {
        return await this.#change(leader, () => node.replacePeer(voter.name, learner.name));
      }
      if (learner !== undefined) return await this.#change(leader, () => node.promote(learner.name));
    }
    if (draw < 0.7 && voters.length > VOTERS_MIN) {
      const one = random.pick(peers.filter(({ isSelf }) => !isSelf));
      if (one !== undefined) return await this.#change(leader, () => node.removePeer(one.name));
    }
    const moved = random.happens(0.8) ? node.transferLeadership().then(() => true) : node.stepDown().then(() => false);
    this.#world.touched(leader);
    if (await this.#world.within(CHANGE_LIMIT_MS, moved).catch(() => false)) coverage.add('transfers');
  }

  async #change(leader: Host, begin: () => Promise<void>): Promise<void> {
    if (this.#world.areOperatorsResting) return;
    this.#world.changeBegins();
    const changed = begin().then(() => true);
    this.#world.touched(leader);
    if (await this.#world.within(CHANGE_LIMIT_MS, changed).catch(() => false))
      this.#world.coverage.add('memberChanges');
  }
}
