/**
 * From a body that has the right shape to the task that it asks for.
 *
 * What is decided here is what no schema can say: leaves below r and not zero, an index below the count, a depth in
 * which the leaves fit and for which there are keys.
 */

import { packElements, parseElement, toBytesBE, ZkraftError } from '../common/index.ts';
import { depthFor } from '../prover/index.ts';
import type { NewTask } from '../store/types.ts';
import type { Circuits } from './circuits.ts';
import { contentHash } from './content-hash.ts';
import type { TreeRoots } from './roots.ts';
import type { SubmitBody } from './schemas.ts';

export interface SubmissionParts {
  readonly circuits: Circuits;
  readonly roots: TreeRoots;
  readonly defaultDepth: number;
}

export interface Submitter {
  readonly owner: string;
  readonly requestId: string;
  readonly idempotencyKey?: string;
  readonly keyId?: string;
}

export async function newTask(body: SubmitBody, submitter: Submitter, parts: SubmissionParts): Promise<NewTask> {
  const leaves = packElements(body.leaves.map(parseLeaf));
  const count = body.leaves.length;
  if (body.leaf_index >= count) {
    throw new ZkraftError(
      'invalid_leaf_index',
      `leaf_index is ${body.leaf_index}, but the ${count} leaves have the indices 0 to ${count - 1}`,
      { field: 'leaf_index' },
    );
  }
  const depth = depthFor(count, body.depth, parts.defaultDepth);
  const externalHash = parseElement(body.external_hash ?? '0', 'external_hash', 'invalid_external_hash');
  const circuit = await parts.circuits.merkle(depth);
  const root = await parts.roots.root(leaves, depth);
  const statement = { circuitDigest: circuit.digest, depth, leafIndex: body.leaf_index, leaves };
  return {
    ...statement,
    owner: submitter.owner,
    contentHash: contentHash({ ...statement, externalHash }),
    ...(submitter.idempotencyKey === undefined ? {} : { idempotencyKey: submitter.idempotencyKey }),
    ...(submitter.keyId === undefined ? {} : { keyId: submitter.keyId }),
    circuitId: circuit.circuitId,
    root: toBytesBE(root),
    externalHash: toBytesBE(externalHash),
    priority: body.priority ?? 0,
    requestId: submitter.requestId,
    fresh: body.fresh ?? false,
  };
}

function parseLeaf(text: string, index: number): bigint {
  const field = `leaves[${index}]`;
  const leaf = parseElement(text, field, 'invalid_leaf');
  if (leaf === 0n) {
    throw new ZkraftError(
      'invalid_leaf',
      `${field} is zero, which is the padding of the tree and cannot be proved; use another value`,
      { field },
    );
  }
  return leaf;
}
