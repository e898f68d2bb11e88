/** The SDK against a gateway that answers well, badly, late or not at all. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Client, type ClientOptions, createClient, type Task, ZkraftError } from '../../src/client/index.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}
type Reply = (response: ServerResponse, seen: Seen) => void;

let server: Server;
let url = '';
const seen: Seen[] = [];
let replies: Reply[] = [];
let otherwise: Reply | undefined;

before(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const entry = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
      seen.push(entry);
      const reply = replies.shift() ?? otherwise;
      if (reply === undefined) response.writeHead(500).end();
      else reply(response, entry);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
afterEach(() => {
  seen.length = 0;
  replies = [];
  otherwise = undefined;
});

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Reply =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

const refusal = (status: number, code: string, headers: Record<string, string> = {}): Reply =>
  json(status, { success: false, error: `because of ${code}`, code, request_id: 'r-1' }, headers);

const id = '6f1d3c1a-9a53-4a39-8f2b-5a7b8f0d1c2e';
const task = (status: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  success: true,
  task_id: id,
  status,
  circuit_id: 'merkle-8',
  attempt: 1,
  created_at: '2026-01-01T00:00:00.000Z',
  request_id: 'r-2',
  ...more,
});
const submitted = { success: true, task_id: id, status: 'pending', message: 'stored', request_id: 'r-3' };

const client = (options: Partial<ClientOptions> = {}): Client =>
  createClient({ url, retry: { initialMs: 2, capMs: 10 }, ...options });

const rejects = (promise: Promise<unknown>, code: string, message?: RegExp): Promise<void> =>
  assert.rejects(
    promise,
    (error) =>
      error instanceof ZkraftError && error.code === code && (message === undefined || message.test(error.message)),
  );

describe('a submit', () => {
  it('is sent as the gateway spells it, and answered as TypeScript does', async () => {
    replies = [json(202, submitted)];
    const answer = await client({ apiKey: 'k-1' }).submitMerkleTask({
      leaves: ['1', '0x2a', 7n],
      leafIndex: 2,
      depth: 8,
      priority: 3,
      externalHash: 9n,
      idempotencyKey: 'mine',
    });
    assert.deepEqual(answer, { taskId: id, status: 'pending', message: 'stored', requestId: 'r-3', created: true });
    assert.equal(`${seen[0]?.method} ${seen[0]?.url}`, 'POST /api/v1/tasks/merkle');
    assert.deepEqual(seen[0]?.body, {
      leaves: ['1', '0x2a', '7'],
      leaf_index: 2,
      depth: 8,
      priority: 3,
      external_hash: '9',
    });
    assert.equal(seen[0]?.headers.authorization, 'Bearer k-1');
    assert.equal(seen[0]?.headers['idempotency-key'], 'mine');
    assert.equal(seen[0]?.headers['content-type'], 'application/json');
  });

  it('says when the same request was there before', async () => {
    replies = [json(200, submitted)];
    assert.equal((await client().submitMerkleTask({ leaves: ['1'], leafIndex: 0 })).created, false);
    assert.equal(seen[0]?.headers['idempotency-key'], undefined);
  });

  it('with fresh stays one task when a retry sends it twice', async () => {
    replies = [refusal(503, 'database_unavailable'), json(202, submitted)];
    await client().submitMerkleTask({ leaves: ['1'], leafIndex: 0, fresh: true });
    const [first, second] = seen.map(({ headers }) => headers['idempotency-key']);
    assert.match(String(first), /^[0-9a-f-]{36}$/);
    assert.equal(first, second);
  });

  it('that is refused is refused once, with the code, and the text that says what to do', async () => {
    replies = [refusal(400, 'invalid_leaf')];
    await rejects(client().submitMerkleTask({ leaves: ['0'], leafIndex: 0 }), 'invalid_leaf', /because of/);
    assert.equal(seen.length, 1);
  });
});

describe('listing tasks', () => {
  const listed = {
    task_id: 'e0000000-0000-4000-8000-000000000001',
    status: 'failed',
    merkle_root: '3',
    leaf_index: 1,
    circuit_id: 'merkle-8',
    priority: 0,
    code: 'attempts_exhausted',
    attempt: 5,
    created_at: '2026-01-02T03:04:05.000Z',
  };

  it('asks for the page that it is told, and tells where the next one begins', async () => {
    replies = [
      json(200, { success: true, tasks: [listed], next_cursor: 'abc' }),
      json(200, { success: true, tasks: [] }),
    ];
    const page = await client().tasks({ status: 'failed', limit: 1 });
    assert.equal(seen[0]?.url, '/api/v1/tasks?status=failed&limit=1');
    const [first] = page.tasks;
    assert.deepEqual([first?.taskId, first?.leafIndex, first?.code], [listed.task_id, 1, 'attempts_exhausted']);
    assert.equal(page.nextCursor, 'abc');
    const last = await client().tasks({ cursor: 'abc' });
    assert.equal(seen[1]?.url, '/api/v1/tasks?cursor=abc');
    assert.deepEqual([last.tasks, last.nextCursor], [[], undefined]);
  });
});

describe('waiting for a task', () => {
  it('long-polls until it has ended, and tells of each change once', async () => {
    const proof = { pi_a: ['1', '2', '1'], protocol: 'groth16' };
    replies = [
      json(200, task('pending')),
      json(200, task('assigned')),
      json(200, task('in_progress')),
      json(200, task('in_progress')),
      json(200, task('completed', { proof, public_signals: ['3', '0'], merkle_root: '3', worker_id: 'w1' })),
    ];
    const updates: string[] = [];
    const done = await client().waitForTask(id, { onUpdate: ({ status }) => void updates.push(status) });
    assert.deepEqual(updates, ['pending', 'assigned', 'in_progress', 'completed']);
    assert.deepEqual(done.proof, proof as never);
    assert.deepEqual([done.publicSignals, done.merkleRoot, done.workerId], [['3', '0'], '3', 'w1']);
    assert.deepEqual(done.raw.public_signals, ['3', '0']);
    assert.equal(seen[0]?.url, `/api/v1/tasks/${id}`);
    assert.equal(seen[1]?.url, `/api/v1/tasks/${id}?wait=20000ms`);
  });

  it('returns a task that failed, with why', async () => {
    replies = [json(200, task('failed', { error: 'too often', code: 'attempts_exhausted' }))];
    const done: Task = await client().waitForTask(id);
    assert.deepEqual([done.status, done.error, done.code], ['failed', 'too often', 'attempts_exhausted']);
  });

  it('does not hammer a gateway that answers long-polls at once', async () => {
    otherwise = json(200, task('pending'));
    await rejects(client().waitForTask(id, { timeoutMs: 900 }), 'request_timeout', /is pending after/);
    assert.ok(seen.length <= 5, `${seen.length} requests`);
  });

  it('outlasts a gateway that is away for a while', async () => {
    replies = [json(200, task('pending')), ...Array.from({ length: 12 }, () => refusal(503, 'shutting_down'))];
    otherwise = json(200, task('completed'));
    assert.equal((await client().waitForTask(id)).status, 'completed');
  });

  it('ends with request_timeout when the gateway hangs, and leaves the task alone', async () => {
    otherwise = () => undefined;
    await rejects(client().waitForTask(id, { timeoutMs: 100 }), 'request_timeout', /not known yet/);
  });

  it('ends with cancelled when the caller aborts, at once', async () => {
    otherwise = (response, { url: path }) => {
      if (!path.includes('wait')) json(200, task('pending'))(response, seen[0] as Seen);
    };
    const abort = new AbortController();
    const beganMs = Date.now();
    setTimeout(() => abort.abort(), 50);
    await rejects(client().waitForTask(id, { signal: abort.signal }), 'cancelled');
    assert.ok(Date.now() - beganMs < 1_000);
  });

  it('ends at once for a task that does not exist', async () => {
    replies = [refusal(404, 'task_not_found')];
    await rejects(client().waitForTask(id), 'task_not_found');
    assert.equal(seen.length, 1);
  });
});

describe('a request', () => {
  it('is tried again as often as told, then fails with the code of the last answer', async () => {
    otherwise = refusal(503, 'database_unavailable');
    await rejects(client({ retry: { retriesMax: 2, initialMs: 1, capMs: 2 } }).getTask(id), 'database_unavailable');
    assert.equal(seen.length, 3);
  });

  it('waits as long as Retry-After says', async () => {
    replies = [refusal(429, 'rate_limited', { 'retry-after': '1' }), json(200, task('pending'))];
    const beganMs = Date.now();
    await client().getTask(id);
    assert.ok(Date.now() - beganMs >= 950);
  });

  it('does not sleep for an hour because a server says so', async () => {
    replies = [refusal(429, 'rate_limited', { 'retry-after': '3600' })];
    await rejects(client().getTask(id), 'rate_limited');
  });

  it('to nobody fails as gateway_unavailable', async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const nowhere = client({ url: `http://127.0.0.1:${port}`, retry: { retriesMax: 1, initialMs: 1 } });
    await rejects(nowhere.circuits(), 'gateway_unavailable', /is the gateway running/);
  });

  it('that is not answered in time is tried again, then fails as request_timeout', async () => {
    otherwise = () => undefined;
    await rejects(client({ timeoutMs: 50, retry: { retriesMax: 1, initialMs: 1 } }).getTask(id), 'request_timeout');
    assert.equal(seen.length, 2);
  });

  it('whose connection is cut in the middle of the answer is tried again', async () => {
    replies = [
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
        response.write('{"task');
        setTimeout(() => response.destroy(), 10);
      },
      json(200, task('pending')),
    ];
    assert.equal((await client().getTask(id)).status, 'pending');
  });

  it('stops reading an answer beyond the limit, and does not ask for it again', async () => {
    otherwise = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    };
    await rejects(client({ answerBytesMax: 100_000 }).getTask(id), 'internal', /larger than 100000 bytes/);
    assert.equal(seen.length, 1);
  });

  it('answered by something else in front of the gateway says so, and repeats none of its text', async () => {
    otherwise = (response) => void response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>secret</h1>');
    await rejects(
      client({ retry: { retriesMax: 1, initialMs: 1 } }).getTask(id),
      'gateway_unavailable',
      /^((?!secret).)*$/,
    );
    assert.equal(seen.length, 2);
    otherwise = (response) => void response.writeHead(200).end('hello');
    await rejects(client().getTask(id), 'internal', /not as a gateway does/);
  });

  it('does not carry the key to where a redirect points', async () => {
    otherwise = (response) => void response.writeHead(302, { location: `${url}/elsewhere` }).end();
    await rejects(client({ apiKey: 'k-1' }).getTask(id), 'invalid_request', /redirects/);
    assert.equal(seen.length, 1);
  });

  it('understands a code of a newer gateway by its status', async () => {
    replies = [refusal(409, 'something_new')];
    await rejects(client().getTask(id), 'invalid_request', /something_new/);
  });

  it('refuses an answer that lacks what it must hold', async () => {
    for (const lacking of ['task_id', 'status', 'circuit_id', 'attempt', 'created_at']) {
      replies = [json(200, task('pending', { [lacking]: undefined }))];
      await rejects(client().getTask(id), 'internal', new RegExp(lacking));
    }
    replies = [json(200, task('exploded'))];
    await rejects(client().getTask(id), 'internal', /status/);
  });

  it('keeps a path in the URL, and escapes ids', async () => {
    replies = [json(200, task('pending'))];
    await client({ url: `${url}/prove` }).getTask('../admin?x=1');
    assert.equal(seen[0]?.url, '/prove/api/v1/tasks/..%2Fadmin%3Fx%3D1');
  });

  it('that the caller aborted before is not sent', async () => {
    await rejects(client().getTask(id, { signal: AbortSignal.abort() }), 'cancelled');
    assert.equal(seen.length, 0);
  });
});

describe('the rest', () => {
  it('lists circuits', async () => {
    const circuit = {
      circuit_id: 'merkle-8',
      circuit_type: 'merkle',
      depth: 8,
      proof_system: 'groth16',
      curve: 'bn254',
      trusted_setup: 'single-party',
      setup_check: 'made-here',
      public_signals: ['root', 'external_hash'],
      constraints: 2000,
      manifest_id: 'a'.repeat(64),
      verification_key_id: 'b'.repeat(64),
      verification_key_url: '/api/v1/circuits/merkle-8/verification-key',
      created_at: '2026-01-01T00:00:00.000Z',
    };
    replies = [json(200, { success: true, circuits: [circuit], request_id: 'r' })];
    const [first] = await client().circuits();
    assert.deepEqual([first?.circuitId, first?.depth, first?.trustedSetup], ['merkle-8', 8, 'single-party']);
  });

  it('brings the verification key as it is, and refuses what is none', async () => {
    const key = { protocol: 'groth16', curve: 'bn128', nPublic: 2, IC: [['1', '2', '1']] };
    replies = [json(200, key), json(200, { hello: 1 })];
    assert.deepEqual(await client().verificationKey('merkle-8'), key as never);
    assert.equal(seen[0]?.url, '/api/v1/circuits/merkle-8/verification-key');
    await rejects(client().verificationKey('merkle-8'), 'vkey_invalid');
  });

  it('tells health, good and bad, without throwing for bad', async () => {
    replies = [
      json(200, { status: 'ok', version: '1.2.3', checks: { database: 'ok' } }),
      json(503, {
        success: false,
        code: 'database_unavailable',
        error: 'x',
        status: 'bad',
        checks: { database: 'away' },
      }),
    ];
    assert.deepEqual(await client().health(), {
      healthy: true,
      status: 'ok',
      version: '1.2.3',
      checks: { database: 'ok' },
    });
    assert.deepEqual((await client().health()).healthy, false);
    assert.equal(seen.length, 2);
  });

  it('refuses a URL that is none, or that holds a user', () => {
    for (const wrong of ['nowhere', 'ftp://a', 'http://user:pw@a']) {
      assert.throws(
        () => createClient({ url: wrong }),
        (error) => error instanceof ZkraftError && error.field === 'url',
      );
    }
  });

  it('loads no Node module and no logger: a browser could', async () => {
    const { readFile, readdir } = await import('node:fs/promises');
    const folder = new URL('../../src/client/', import.meta.url);
    const pending = (await readdir(folder)).filter((name) => name.endsWith('.ts')).map((name) => new URL(name, folder));
    const loaded = new Set<string>();
    for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
      if (loaded.has(file.href)) continue;
      loaded.add(file.href);
      const text = await readFile(file, 'utf8');
      for (const [, specifier = ''] of text.matchAll(/^(?:import|export) .*?from '([^']+)'/gms)) {
        assert.match(specifier, /^\.\.?\//, `${file.pathname} imports ${specifier}`);
        pending.push(new URL(specifier, file));
      }
      assert.doesNotMatch(text, /\bBuffer\b|\bprocess\./, file.pathname);
    }
    assert.ok([...loaded].some((href) => href.endsWith('/common/errors.ts')));
  });
});
