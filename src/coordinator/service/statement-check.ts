/**
 * Can this task be proved at all? Asked when a worker says that it cannot, before anybody believes it.
 *
 * A failure that no retry mends ends a task at once, so one worker that lies, or whose memory or program is broken,
 * could end every task that it is given. The statement of a Merkle task is cheap to check without proving it: the
 * leaves, as stored, must come to the root, and the index must be one of theirs. If they do, the worker is wrong,
 * whatever it says, and the task is tried elsewhere; within its attempts, like any other failure.
 */
import { ELEMENT_BYTES, fromBytesBE, R, unpackElements, ZkraftError } from '../../common/index.ts';
import type { Prover } from '../../prover/types.ts';
import type { TaskSpec } from '../state/index.ts';

export interface StatementCheckOptions {
  readonly hasher: Pick<Prover, 'merkleRoot'>;
  readonly leaves: (treeId: string) => Promise<Uint8Array>;
}

export class StatementCheck {
  readonly #options: StatementCheckOptions;

  constructor(options: StatementCheckOptions) {
    this.#options = options;
  }

  /** False only when it is known to be false: what cannot be looked at now may be true. Never rejects. */
  async mayBeTrue(task: TaskSpec): Promise<boolean> {
    const { hasher, leaves } = this.#options;
    try {
      const bytes = await leaves(task.treeId);
      const externalHash = fromBytesBE(Buffer.from(task.externalHash, 'base64'));
      if (task.leafIndex >= bytes.length / ELEMENT_BYTES || externalHash >= R) return false;
      const root = await hasher.merkleRoot(unpackElements(bytes, 'leaves'), task.depth);
      return root === fromBytesBE(Buffer.from(task.root, 'base64'));
    } catch (thrown) {
      // Said of the leaves themselves: zero, not below r, too many for the depth.
      return ZkraftError.from(thrown).row.http !== 400;
    }
  }
}
