import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkMember, type Judge } from '../../../src/raft/node/admission.ts';
import { encodeMembers, type Member, Members } from '../../../src/raft/node/members.ts';

const member = (name: string, nodeId: number): Member => ({
  ...{ name, nodeId, incarnationId: `i${nodeId}` },
  ...{ raftAddress: `${name}:7000`, clientAddress: `${name}:9090` },
});
const confState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const members = Members.NONE.changed(encodeMembers([member('a', 1), member('b', 2), member('c', 3)]), confState);
const judge: Judge = { id: 1, lead: 2, members, confState };
const call = (name: string, nodeId: number, by: Partial<Judge> = {}) =>
  checkMember({ ...member(name, nodeId), clusterId: 'x' }, { ...judge, ...by });

describe('a peer that calls', () => {
  it('is let in when it is a member, as the incarnation that the record has', () => {
    for (const id of [2, 3]) call(id === 2 ? 'b' : 'c', id);
  });

  it('is refused under the name of a member as another incarnation (rule 8)', () => {
    assert.throws(() => call('c', 33), {
      code: 'peer_refused',
      message: /incarnation 3, and this one is 33.*Remove "c"/,
    });
  });

  it('is refused when it is no member, and told how to become one', () => {
    assert.throws(() => call('d', 4), {
      code: 'peer_refused',
      message: /"d" is no member of this cluster: it was removed, or is not added yet.*add-peer d:7000/,
    });
  });

  it('is let in by a node that may be the one that is out of date: without a leader, or not in its own record', () => {
    call('c', 33, { lead: 0 });
    call('d', 4, { lead: 0 });
    call('d', 4, { id: 9 });
  });

  it('is let in when it leads, though the record does not have it yet', () => {
    call('d', 4, { lead: 4 });
  });
});
