/**
 * What the state of the disk means for a node, looked at once a tick.
 *
 * Rule 3: whoever cannot write must not lead. While the oldest write waits for more than two election timeouts the node
 * neither leads nor campaigns, and after ten seconds it ends. A disk that is nearly full takes no new entries: of a
 * leader's own that is refused, and a leader's to a follower is as if lost, so that the leader sees it fall behind.
 */
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { DiskStallWatch, FreeSpaceGuard } from '../storage/index.ts';

export interface DiskHealthOptions {
  readonly stall: Pick<DiskStallWatch, 'verdict' | 'oldestWaitMs'>;
  /** Without one, a full disk ends the node. */
  readonly freeSpace: Pick<FreeSpaceGuard, 'isLow' | 'admit'> | undefined;
  readonly logger: Logger;
}

const LOOK_AT_SPACE_TICKS = 10;

export class DiskHealth {
  readonly #options: DiskHealthOptions;
  #isStalled = false;
  #ticks = 0;

  constructor(options: DiskHealthOptions) {
    this.#options = options;
  }

  /** Nothing is known before the first look. */
  async look(): Promise<void> {
    await this.#options.freeSpace?.admit(1).catch(() => {});
  }

  get isFull(): boolean {
    return this.#options.freeSpace?.isLow === true;
  }

  /** Whether this node may take part as usual. Throws `log_write_failed` when it must end. */
  mayLead(): boolean {
    const { stall, logger } = this.#options;
    this.#ticks += 1;
    if (this.#ticks % LOOK_AT_SPACE_TICKS === 0) void this.look();
    const verdict = stall.verdict();
    const waitMs = Math.round(stall.oldestWaitMs);
    if (verdict === 'exit') {
      throw new ZkraftError('log_write_failed', `the disk has not answered for ${waitMs} ms; this node stops`);
    }
    const isStalled = verdict === 'step-down';
    if (isStalled && !this.#isStalled)
      logger.error({ wait_ms: waitMs }, 'the disk is stalled: no leading, no campaign');
    if (!isStalled && this.#isStalled) logger.warn({}, 'the disk answers again');
    this.#isStalled = isStalled;
    return !isStalled;
  }

  refusal(): ZkraftError | undefined {
    if (!this.isFull) return undefined;
    return new ZkraftError('disk_full', 'the disk of the replicated log is nearly full; make room, then try again');
  }
}
