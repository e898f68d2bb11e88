/** Who says what of itself, and what of it comes into the record. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { ZkraftError } from '../../../src/common/index.ts';
import { silentLogger } from '../../../src/common/logging/index.ts';
import { Announcements } from '../../../src/raft/node/announcements.ts';
import { commonHostVersion, encodeMembers, type Member, Members } from '../../../src/raft/node/members.ts';

const memberOf = (nodeId: number, hostVersion = 1): Member => ({
  nodeId,
  name: `n${nodeId}`,
  incarnationId: `i${nodeId}`,
  raftAddress: `n${nodeId}:7000`,
  clientAddress: `n${nodeId}:9090`,
  ...(hostVersion > 0 && { hostVersion }),
});

describe('what members say of themselves', () => {
  let record: Map<number, Member>;
  let announced: Member[];
  let leads = false;
  let nowMs = 0;
  let fault: Error | undefined;
  let announcements: Announcements;
  beforeEach(() => {
    record = new Map([1, 2, 3].map((id) => [id, memberOf(id)]));
    announced = [];
    leads = true;
    nowMs = 0;
    fault = undefined;
    announcements = new Announcements({
      self: memberOf(1),
      leads: () => leads,
      isChanging: () => false,
      member: (id) => record.get(id),
      announce: async (member) => {
        if (fault !== undefined) throw fault;
        announced.push(member);
        record.set(member.nodeId, member);
      },
      now: () => nowMs,
      retryMs: 100,
      logger: silentLogger,
    });
  });
  const considered = async (times = 3): Promise<number[]> => {
    for (let i = 0; i < times; i += 1) await announcements.consider();
    return announced.map(({ nodeId }) => nodeId);
  };

  it('is announced once by whoever leads, also when it was heard before', async () => {
    leads = false;
    announcements.heard(memberOf(2, 2));
    announcements.heard(memberOf(3, 2));
    assert.deepEqual(await considered(), []);
    leads = true;
    assert.deepEqual(await considered(), [2, 3]);
    assert.equal(commonHostVersion([...record.values()]), 1);
  });

  it('is tried again after a failure, not at each tick', async () => {
    announcements.heard(memberOf(2, 2));
    fault = new ZkraftError('membership_refused', 'another change is under way');
    await considered();
    fault = undefined;
    assert.deepEqual(await considered(), []);
    nowMs = 100;
    assert.deepEqual(await considered(), [2]);
  });

  it('is forgotten when the record has changed since: another leader heard something newer', async () => {
    leads = false;
    announcements.heard(memberOf(2, 2));
    record.set(2, memberOf(2, 3));
    leads = true;
    assert.deepEqual(await considered(), []);
    assert.equal(record.get(2)?.hostVersion, 3);
  });

  it('is taken from members alone, and of itself even before it is in the record', async () => {
    record.delete(1);
    announcements.heard(memberOf(9, 2));
    assert.deepEqual(await considered(), [1]);
  });
});

describe('the version that all understand', () => {
  it('is the least of all members, and 0 while one has not said', () => {
    assert.equal(commonHostVersion([memberOf(1, 3), memberOf(2, 2)]), 2);
    assert.equal(commonHostVersion([memberOf(1, 3), memberOf(2, 0)]), 0);
    assert.equal(commonHostVersion([memberOf(1, 3), undefined]), 0);
    assert.equal(commonHostVersion([]), 0);
  });

  it('travels in the record, which is the same bytes as before where nobody says one', () => {
    const members = [memberOf(1, 2), memberOf(2, 0)];
    assert.deepEqual(Members.decode(encodeMembers(members)).all(), members);
    assert.doesNotMatch(new TextDecoder().decode(encodeMembers([memberOf(2, 0)])), /hostVersion/);
    const odd = new TextEncoder().encode(JSON.stringify([{ ...memberOf(1), hostVersion: 'two' }]));
    assert.deepEqual(Members.decode(odd).all(), []);
  });
});
