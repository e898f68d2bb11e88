/** What a worker makes of assignments that it can and cannot prove. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, packElements, R, toBytesBE, ZkraftError } from '../../src/common/index.ts';
import type { MerkleTask, TaskAssignment } from '../../src/common/rpc/index.ts';
import { checkAssignment, cleanRequestId, readLease } from '../../src/worker/assignment.ts';

const merkle: MerkleTask = {
  depth: 3,
  leafIndex: 1,
  leaves: packElements([7n, R - 1n, 9n]),
  root: toBytesBE(55n),
  externalHash: toBytesBE(0n),
};
const lease = { taskId: '6f1d3c1a-9a53-4a39-8f2b-5a7b8f0d1c2e', workerId: 'w1', attempt: 1, epoch: 9n };
const digest = 'ab'.repeat(32);

const assignment = (task: Partial<MerkleTask>, rest: Partial<TaskAssignment> = {}): TaskAssignment => ({
  lease,
  leaseMs: 1_000n,
  timeoutMs: 1_000n,
  circuit: { circuitId: 'merkle-3', manifestDigest: fromHex(digest) },
  requestId: 'r',
  task: { $case: 'merkle', value: { ...merkle, ...task } },
  ...rest,
});

const circuitOf = (depth: number): Partial<TaskAssignment> => ({
  circuit: { circuitId: `merkle-${depth}`, manifestDigest: fromHex(digest) },
});

describe('a sound assignment', () => {
  it('becomes the statement to prove', () => {
    assert.deepEqual(checkAssignment(assignment({})), {
      circuit: { circuitId: 'merkle-3', manifestDigest: digest },
      statement: { leaves: [7n, R - 1n, 9n], leafIndex: 1, depth: 3, root: 55n, externalHash: 0n },
    });
  });

  it('may fill its tree to the last leaf', () => {
    const leaves = packElements([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
    assert.equal(checkAssignment(assignment({ leaves, leafIndex: 7 })).statement.leaves.length, 8);
  });
});

describe('an assignment that cannot be proved is refused, for good, under its code:', () => {
  const cases: readonly [string, TaskAssignment, string][] = [
    ['no circuit', assignment({}, { circuit: undefined }), 'invalid_input'],
    [
      'a circuit id with a path',
      assignment({}, { circuit: { circuitId: '../x', manifestDigest: fromHex(digest) } }),
      'invalid_input',
    ],
    [
      'a digest of 31 bytes',
      assignment({}, { circuit: { circuitId: 'merkle-3', manifestDigest: new Uint8Array(31) } }),
      'invalid_input',
    ],
    ['no task', assignment({}, { task: undefined }), 'invalid_input'],
    ['a circuit of another depth', assignment({ depth: 4 }), 'invalid_input'],
    ['depth 0', assignment({ depth: 0 }), 'invalid_depth'],
    ['depth 33', assignment({ depth: 33 }), 'invalid_depth'],
    ['more leaves than the depth holds', assignment({ depth: 1 }, circuitOf(1)), 'invalid_depth'],
    ['no leaves', assignment({ leaves: new Uint8Array(0) }), 'invalid_leaves'],
    ['a ragged list of leaves', assignment({ leaves: new Uint8Array(33) }), 'invalid_leaves'],
    [
      '1001 leaves',
      assignment({ depth: 20, leaves: packElements(Array(1_001).fill(3n)) }, circuitOf(20)),
      'invalid_leaves',
    ],
    ['a leaf of r', assignment({ leaves: packElements([1n, R]) }), 'invalid_input'],
    ['a leaf of zero', assignment({ leaves: packElements([1n, 0n]) }), 'invalid_leaf'],
    ['an index at the number of leaves', assignment({ leafIndex: 3 }), 'invalid_leaf_index'],
    ['an index of a padding position', assignment({ leafIndex: 5 }), 'invalid_leaf_index'],
    ['a root of 31 bytes', assignment({ root: new Uint8Array(31) }), 'invalid_input'],
    ['no root', assignment({ root: new Uint8Array(0) }), 'invalid_input'],
    ['a root of two elements', assignment({ root: new Uint8Array(64) }), 'invalid_input'],
    ['a root that is not canonical', assignment({ root: toBytesBE(R) }), 'invalid_input'],
    ['an external hash that is not canonical', assignment({ externalHash: toBytesBE(R + 1n) }), 'invalid_input'],
    ['an external hash that is missing', assignment({ externalHash: new Uint8Array(0) }), 'invalid_input'],
  ];
  for (const [what, wrong, code] of cases) {
    it(what, () => {
      assert.throws(
        () => checkAssignment(wrong),
        (error) => error instanceof ZkraftError && error.code === code && !error.retryable,
      );
    });
  }

  it('and the message never holds a leaf', () => {
    const secret = 123456789123456789n;
    for (const wrong of [
      assignment({ leaves: packElements([secret, 0n]) }),
      assignment({ leaves: packElements([secret, R]) }),
      assignment({ leaves: packElements([secret]), leafIndex: 4 }),
    ]) {
      assert.throws(
        () => checkAssignment(wrong),
        (error) => error instanceof ZkraftError && !error.message.includes(String(secret)),
      );
    }
  });
});

describe('a lease', () => {
  it('is read when it is ours and whole', () => {
    assert.deepEqual(readLease(lease, 'w1'), lease);
  });

  it('is ignored when it is missing, of another worker, not of a task, or of no attempt', () => {
    for (const wrong of [
      undefined,
      { ...lease, workerId: 'w2' },
      { ...lease, taskId: '../etc' },
      { ...lease, attempt: 0 },
    ]) {
      assert.equal(typeof readLease(wrong, 'w1'), 'string');
    }
  });
});

it('a request id is cut to what a header and a log line can hold', () => {
  assert.equal(cleanRequestId('a b\n\r\u0000é-1'), 'ab-1');
  assert.equal(cleanRequestId('x'.repeat(5_000)).length, 200);
});
