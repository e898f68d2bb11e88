/** What `zkraft top` makes of answers: texts of metrics, frames of two rounds, lines for people. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { Screen } from '../../src/cli/screen.ts';
import { topLines } from '../../src/cli/top-lines.ts';
import { loadConfig } from '../../src/config/index.ts';
import { frameOf, parseMetrics, type Round, topTargets } from '../../src/launch/index.ts';

type Asked = Round['coordinators'][number];

const coordinator = (url: string, atMs: number, body: object, metrics = ''): Asked => ({
  url,
  health: 'ok',
  atMs,
  body: body as Asked['body'],
  metrics: parseMetrics(metrics),
});
const away = (url: string): Asked => ({ url, health: 'away', atMs: 0, body: {}, metrics: undefined });
const raft = (isLeader: boolean, applied: number, commit: number) => ({
  raft: {
    state: isLeader ? 'Leader' : 'Follower',
    is_leader: isLeader,
    leader_address: 'c1:9090',
    term: 7,
    commit_index: commit,
    applied_index: applied,
  },
});
const round = (atMs: number, parts: Partial<Round>): Round => ({
  at: new Date(1_000_000 + atMs),
  coordinators: [],
  gateways: [],
  workers: [],
  listed: undefined,
  listProblem: 'nobody was asked',
  ...parts,
});
const counted = (start: number, completed: number, wait: readonly [number, number] = [0, 0]): string =>
  [
    `process_start_time_seconds{service="coordinator"} ${start}`,
    `coordinator_tasks_total{service="coordinator",outcome="completed"} ${completed}`,
    `coordinator_tasks_total{service="coordinator",outcome="failed"} 3`,
    `coordinator_queue_wait_seconds_sum ${wait[0]}`,
    `coordinator_queue_wait_seconds_count ${wait[1]}`,
    'raft_peer_lag_entries{peer="c2"} 4',
    'coordinator_queue_depth 12',
  ].join('\n');

describe('the text of /metrics', () => {
  it('is read with labels, escapes, infinities, and without comments', () => {
    const metrics = parseMetrics(
      '# HELP a b\n# TYPE a counter\na{x="1",y="say \\"hi\\"\\n"} 2\na{x="2"} 3.5\nb_bucket{le="+Inf"} 9\nc NaN\nd -Inf\nnot a line\n',
    );
    assert.equal(metrics.sum('a'), 5.5);
    assert.equal(metrics.sum('a', { x: '2' }), 3.5);
    assert.equal(metrics.all('a')[0]?.labels.y, 'say "hi"\n');
    assert.equal(metrics.sum('b_bucket', { le: '+Inf' }), 9);
    assert.ok(Number.isNaN(metrics.sum('c')));
    assert.equal(metrics.sum('d'), Number.NEGATIVE_INFINITY);
    assert.equal(metrics.sum('none'), undefined);
  });
});

describe('a frame', () => {
  it('has speeds from differences of counters, and lag from the furthest commit', () => {
    const before = round(0, { coordinators: [coordinator('c1', 0, raft(true, 90, 90), counted(1, 10, [5, 10]))] });
    const now = round(4_000, {
      coordinators: [
        coordinator('c1', 2_000, raft(true, 100, 101), counted(1, 16, [11, 13])),
        coordinator('c2', 2_000, raft(false, 95, 95)),
      ],
    });
    const frame = frameOf(now, before);
    assert.equal(frame.interval_s, 4);
    assert.equal(frame.throughput.completed_per_s, 3);
    assert.equal(frame.throughput.failed_per_s, 0);
    assert.equal(frame.queue.wait_s, 2);
    assert.equal(frame.queue.pending, 12);
    assert.deepEqual(
      frame.coordinators.map(({ lag_entries }) => lag_entries),
      [1, 6],
    );
    assert.deepEqual(frame.peers, [{ node: 'c2', lag_entries: 4 }]);
    assert.equal(frameOf(before, undefined).throughput.completed_per_s, null);
  });

  it('takes no speed from a process that was started again, nor from one that was away', () => {
    const at = (start: number, completed: number, ms: number) =>
      round(ms, { coordinators: [coordinator('c1', ms, raft(true, 1, 1), counted(start, completed))] });
    assert.equal(frameOf(at(2, 1, 1_000), at(1, 500, 0)).throughput.completed_per_s, null);
    assert.equal(frameOf(at(2, 501, 1_000), at(1, 500, 0)).throughput.completed_per_s, null);
    assert.equal(frameOf(at(1, 501, 1_000), round(0, { coordinators: [away('c1')] })).throughput.completed_per_s, null);
    assert.equal(frameOf(at(1, 501, 1_000), at(1, 500, 0)).throughput.completed_per_s, 1);
  });

  it('says who is away, that nobody leads, and that the database is away, and goes on', () => {
    const problem = { problems: [{ code: 'database_unavailable', message: 'PostgreSQL cannot be reached' }] };
    const frame = frameOf(
      round(0, {
        coordinators: [
          { ...coordinator('c1', 0, { ...raft(false, 1, 1), ...problem }), health: 'unhealthy' },
          away('c2'),
        ],
        gateways: [away('g')],
      }),
      undefined,
    );
    assert.equal(frame.leader, null);
    assert.equal(frame.database, 'away');
    const lines = topLines(frame, (_, text) => text).join('\n');
    assert.match(lines, /leader none {2}database away/);
    assert.match(lines, /c2 does not answer/);
    assert.match(lines, /g does not answer/);
    assert.match(lines, /c1: PostgreSQL cannot be reached/);
    assert.match(lines, /list of workers is missing: nobody was asked/);
    assert.doesNotMatch(lines, /undefined|null|NaN/);
    assert.equal(frameOf(round(0, { coordinators: [away('c1')] }), undefined).database, 'unknown');
  });

  it('joins what the leader says of a worker with what the worker measures itself', () => {
    const listed = {
      ...{ workerId: 'w1', registered: true, liveness: 'suspect', slots: 2, used: 1, softwareVersion: '0.1.0' },
      ...{ host: 'h', refusedBecause: '' },
    };
    const own = (ms: number, completed: number) =>
      coordinator(
        'w',
        ms,
        { worker_id: 'w1', running: 1, slots: 2 },
        `worker_tasks_total{outcome="completed"} ${completed}`,
      );
    const frame = frameOf(
      round(2_000, { workers: [own(2_000, 5)], listed: [listed], listProblem: undefined }),
      round(0, { workers: [own(0, 4)] }),
    );
    assert.deepEqual(
      frame.workers.list.map(({ id, state, used, slots, tasks_per_s, health }) => [
        id,
        state,
        used,
        slots,
        tasks_per_s,
        health,
      ]),
      [['w1', 'suspect', 1, 2, 0.5, 'ok']],
    );
    const colours = topLines(frame, (colour, text) => `<${colour}>${text}</>`).join('\n');
    assert.match(colours, /w1 +<yellow>suspect<\/> +1\/2 +0\.5 +<green>ok<\/>/);
  });
});

describe('whom it asks', () => {
  const config = loadConfig({ env: { COORDINATOR_HTTP_PORT: '1234', SERVER_HOST: '0.0.0.0', SERVER_PORT: '99' } });
  const none = { coordinators: [], gateways: [], workers: [], dir: undefined };
  it('is this machine unless told otherwise', () => {
    const { coordinators, gateways } = topTargets(none, config);
    assert.deepEqual([coordinators, gateways], [['http://127.0.0.1:1234'], ['http://127.0.0.1:99']]);
  });
  it('is whoever is named, with or without a scheme', () => {
    const { coordinators, gateways } = topTargets({ ...none, coordinators: ['c1:8090', 'https://c2/x/'] }, config);
    assert.deepEqual([coordinators, gateways], [['http://c1:8090', 'https://c2/x'], []]);
  });
  it('is not what is no address, nor two things at once', () => {
    const refused = (given: object, field: string) =>
      assert.throws(() => topTargets({ ...none, ...given }, config), { code: 'usage', field });
    refused({ coordinators: ['http://'] }, 'coordinator');
    refused({ gateways: ['ftp://g'] }, 'gateway');
    refused({ workers: ['http://me:secret@w'] }, 'worker');
    refused({ workers: ['w'], dir: '.' }, 'dir');
    assert.throws(() => topTargets({ ...none, dir: './nowhere' }, config), { code: 'cluster_not_running' });
  });
});

describe('the screen', () => {
  const terminal = (isTTY: boolean, columns = 20, rows = 3) => {
    const out = Object.assign(new PassThrough(), { isTTY, columns, rows }) as unknown as NodeJS.WriteStream;
    return { out, said: (): string => String((out as unknown as PassThrough).read() ?? '') };
  };
  it('takes the terminal and gives it back, and cuts what is too wide or too long', () => {
    const { out, said } = terminal(true);
    const screen = new Screen(out, true);
    screen.show(['one', 'x'.repeat(30), 'three', 'four']);
    screen.close();
    screen.close();
    const text = said();
    assert.ok(text.startsWith('\u001b[?1049h\u001b[?25l'));
    assert.ok(text.endsWith('\u001b[?25h\u001b[?1049l'));
    assert.match(text, /x{20}/);
    assert.doesNotMatch(text, /x{21}|four/);
  });
  it('writes frame after frame, without escapes, where there is no terminal', () => {
    const { out, said } = terminal(false);
    const screen = new Screen(out, true);
    screen.show([screen.paint('red', 'one')]);
    screen.show(['two']);
    screen.close();
    assert.equal(said(), 'one\n\ntwo\n');
  });
  it('has colours on a terminal, unless NO_COLOR is set', () => {
    const { out } = terminal(true);
    const kept = process.env.NO_COLOR;
    try {
      delete process.env.NO_COLOR;
      assert.notEqual(new Screen(out, false).paint('red', 'x'), 'x');
      process.env.NO_COLOR = '1';
      assert.equal(new Screen(out, false).paint('red', 'x'), 'x');
    } finally {
      if (kept === undefined) delete process.env.NO_COLOR;
      else process.env.NO_COLOR = kept;
    }
  });
});
