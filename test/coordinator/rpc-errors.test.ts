/** Errors cross gRPC unharmed, and what is not ours stays at home. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import { ERROR_TABLE, type ErrorCode, ZkraftError } from '../../src/common/index.ts';
import { ERROR_DETAIL_KEY, fromServiceError, RemoteError, toServiceError } from '../../src/common/rpc/index.ts';

test('every code of the table arrives as it was sent, with its status, field and message', () => {
  for (const [code, row] of Object.entries(ERROR_TABLE)) {
    const sent = toServiceError(new ZkraftError(code as ErrorCode, `about ${code}`, { field: 'slots' }));
    assert.equal(sent.code, status[row.grpc]);
    const got = fromServiceError(sent);
    assert.deepEqual(
      [got.code, got.message, got.field, got.retryable],
      [code, `about ${code}`, 'slots', row.retryable],
    );
  }
});

test('not_leader names the leader on the other side', () => {
  const error = new RemoteError('not_leader', 'not here', { leaderId: 'n2', leaderGrpcAddress: '10.0.0.2:9090' });
  const got = fromServiceError(toServiceError(error));
  assert.deepEqual([got.leaderId, got.leaderGrpcAddress], ['n2', '10.0.0.2:9090']);
});

test('the text of an error that nobody threw on purpose is not sent', () => {
  const sent = toServiceError(new TypeError('password is hunter2'));
  assert.equal(sent.code, status.INTERNAL);
  assert.ok(!JSON.stringify([sent.message, sent.details, fromServiceError(sent).message]).includes('hunter2'));
});

test('a message that would not fit into trailing metadata is cut', () => {
  const sent = toServiceError(new ZkraftError('internal', 'x'.repeat(100_000)));
  const detail = sent.metadata.get(ERROR_DETAIL_KEY)[0];
  assert.ok(detail instanceof Uint8Array && detail.length < 2_000);
});

test('errors of the transport get the code that fits them', () => {
  const of = (code: number, details = 'x') =>
    fromServiceError(Object.assign(new Error(details), { code, details, metadata: new Metadata() })).code;
  assert.equal(of(status.UNAVAILABLE), 'coordinator_unavailable');
  assert.equal(of(status.DEADLINE_EXCEEDED), 'request_timeout');
  assert.equal(of(status.RESOURCE_EXHAUSTED, 'Received message larger than max (5 vs 4)'), 'body_too_large');
  assert.equal(of(status.RESOURCE_EXHAUSTED), 'overloaded');
  assert.equal(of(status.UNKNOWN), 'internal');
  assert.equal(fromServiceError(undefined).code, 'internal');
});

test('a detail that cannot be read, or is of a newer table, does not throw', () => {
  const metadata = new Metadata();
  metadata.set(ERROR_DETAIL_KEY, Buffer.from([0xff, 0xff, 0xff]));
  const broken = Object.assign(new Error('x'), { code: status.ABORTED, details: 'x', metadata });
  assert.equal(fromServiceError(broken).code, 'internal');
});
