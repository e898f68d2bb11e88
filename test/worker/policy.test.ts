/** The pure parts of the link: back-off, and which coordinator comes next. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AddressBook } from '../../src/worker/addresses.ts';
import { createBackoff } from '../../src/worker/backoff.ts';

describe('back-off', () => {
  it('doubles up to its cap and no further', () => {
    const backoff = createBackoff({ initialMs: 100, capMs: 1_000 }, () => 1);
    assert.deepEqual(
      Array.from({ length: 6 }, () => backoff.nextMs()),
      [100, 200, 400, 800, 1_000, 1_000],
    );
  });

  it('keeps at least half of each wait, whatever the dice say', () => {
    const backoff = createBackoff({ initialMs: 100, capMs: 1_000 }, () => 0);
    assert.deepEqual(
      Array.from({ length: 5 }, () => backoff.nextMs()),
      [50, 100, 200, 400, 500],
    );
  });

  it('begins afresh after a reset', () => {
    const backoff = createBackoff({ initialMs: 100, capMs: 1_000 }, () => 1);
    for (let i = 0; i < 5; i += 1) backoff.nextMs();
    backoff.reset();
    assert.equal(backoff.attempts, 0);
    assert.equal(backoff.nextMs(), 100);
  });

  it('stays at its cap after a year of failures', () => {
    const backoff = createBackoff({ initialMs: 100, capMs: 5_000 }, () => 0.5);
    for (let i = 0; i < 100_000; i += 1) backoff.nextMs();
    assert.equal(backoff.nextMs(), 3_750);
  });

  it('spreads a fleet: two workers with different dice wait differently', () => {
    const a = createBackoff({ initialMs: 100, capMs: 1_000 }, () => 0.1);
    const b = createBackoff({ initialMs: 100, capMs: 1_000 }, () => 0.9);
    assert.notEqual(a.nextMs(), b.nextMs());
  });
});

describe('the address book', () => {
  it('tries the listed coordinators in turn and rests after each full round', () => {
    const book = new AddressBook(['a:1', 'b:1', 'c:1']);
    const seen: string[] = [];
    const paces = Array.from({ length: 6 }, () => {
      seen.push(book.current);
      return book.failed();
    });
    assert.deepEqual(seen, ['a:1', 'b:1', 'c:1', 'a:1', 'b:1', 'c:1']);
    assert.deepEqual(paces, ['now', 'now', 'wait', 'now', 'now', 'wait']);
  });

  it('rests after each failure when there is only one', () => {
    const book = new AddressBook(['a:1']);
    assert.deepEqual([book.failed(), book.failed()], ['wait', 'wait']);
  });

  it('follows a redirect at once, also to an address that is not listed', () => {
    const book = new AddressBook(['a:1']);
    assert.equal(book.redirected('leader:9'), 'now');
    assert.equal(book.current, 'leader:9');
  });

  it('goes on along the list when the leader it was sent to does not answer: who named it would name it again', () => {
    const book = new AddressBook(['a:1', 'b:1']);
    book.redirected('leader:9');
    book.failed();
    assert.equal(book.current, 'b:1');
  });

  it('goes on along the list when a follower knows no leader, or names itself', () => {
    const book = new AddressBook(['a:1', 'b:1']);
    assert.equal(book.redirected(undefined), 'now');
    assert.equal(book.current, 'b:1');
    assert.equal(book.redirected('b:1'), 'wait');
    assert.equal(book.current, 'a:1');
  });

  it('rests when coordinators point at one another in a circle', () => {
    const book = new AddressBook(['a:1', 'b:1']);
    const paces = Array.from({ length: 8 }, (_, i) => book.redirected(i % 2 === 0 ? 'b:1' : 'a:1'));
    assert.deepEqual(paces, ['now', 'now', 'now', 'wait', 'now', 'now', 'now', 'wait']);
  });

  it('forgets failures and hops only once a connection has proved to work', () => {
    const book = new AddressBook(['a:1', 'b:1']);
    book.failed();
    book.settled();
    assert.equal(book.current, 'b:1');
    assert.equal(book.failed(), 'now');
    assert.equal(book.failed(), 'wait');
  });
});
