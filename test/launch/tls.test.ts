/** TLS by settings: the whole network over it, and who is refused. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ChannelCredentials, Metadata, status } from '@grpc/grpc-js';
import { ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import { CoordinatorServiceClient, fromServiceError } from '../../src/common/rpc/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { launchCoordinator, launchGateway, launchWorker } from '../../src/launch/index.ts';
import { type Authority, makeAuthority, type Pair, WITHOUT_OPENSSL } from '../support/certificates.ts';
import { type DevProcess, startDev, zkraft } from '../support/cli.ts';

interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, string>>;
}

function call(url: string, path: string, ca: string | undefined, body?: unknown): Promise<Answer> {
  const { protocol } = new URL(url);
  return new Promise((resolve, reject) => {
    const options = {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json' },
      agent: false as const,
      ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    };
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(`${url}${path}`, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, json: JSON.parse(Buffer.concat(chunks).toString()) }),
      );
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** What the coordinator answers to a heartbeat of nobody: an error of its own once the connection stands. */
async function heartbeat(
  address: string,
  credentials: ChannelCredentials,
  workerId = 'worker-nobody',
): Promise<{ code: number; error: string }> {
  const client = new CoordinatorServiceClient(address, credentials, { 'grpc.enable_http_proxy': 0 });
  try {
    return await new Promise((resolve) => {
      const message = { workerId, sessionId: 1n, heldLeases: [], draining: false };
      client.sendHeartbeat(message, new Metadata(), { deadline: Date.now() + 4_000 }, (error) =>
        resolve({ code: error?.code ?? 0, error: error ? fromServiceError(error).code : '' }),
      );
    });
  } finally {
    client.close();
  }
}

describe('TLS', { skip: WITHOUT_OPENSSL }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'zkraft-tls-'));
  let ours: Authority;
  let other: Authority;
  let server: Pair;
  let worker: Pair;

  before(() => {
    ours = makeAuthority(dir, 'ours');
    other = makeAuthority(dir, 'other');
    server = ours.issue('server');
    worker = ours.issue('worker');
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  describe('of a whole network', () => {
    let network: DevProcess;

    before(async () => {
      network = await startDev(join(dir, 'data'), [
        ...['--server-tls-cert-file', server.cert, '--server-tls-key-file', server.key],
        ...['--coordinator-tls-cert-file', server.cert, '--coordinator-tls-key-file', server.key],
        ...['--coordinator-tls-client-ca-file', ours.cert, '--worker-tls-ca-file', ours.cert],
        ...['--worker-tls-cert-file', worker.cert, '--worker-tls-key-file', worker.key],
      ]);
    });
    after(() => network?.stop());

    it('takes a task over HTTPS and has it proved by a worker that showed its certificate', async () => {
      assert.match(network.gatewayUrl, /^https:/);
      const submitted = await call(network.gatewayUrl, '/api/v1/tasks/merkle', ours.cert, {
        leaves: ['11', '22', '33'],
        leaf_index: 1,
        depth: 4,
      });
      assert.equal(submitted.status, 202, JSON.stringify(submitted.json));
      let task: Answer | undefined;
      for (let tries = 0; tries < 12 && task?.json.status !== 'completed'; tries++) {
        task = await call(network.gatewayUrl, `/api/v1/tasks/${submitted.json.task_id}?wait=10s`, ours.cert);
      }
      assert.equal(task?.json.status, 'completed');
      assert.match(task?.json.worker_id ?? '', /^worker-[0-9a-f]{8}$/, 'named as in its certificate');
    });

    it('refuses plain text on the gateway, and goes on', async () => {
      const plain = network.gatewayUrl.replace('https:', 'http:');
      await assert.rejects(call(plain, '/livez', undefined));
      const { port } = new URL(network.gatewayUrl);
      await new Promise<void>((done) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(Buffer.alloc(4_096, 0xff)));
        socket.on('error', () => {});
        socket.on('close', () => done());
      });
      assert.equal((await call(network.gatewayUrl, '/livez', ours.cert)).status, 200);
    });

    it('is refused by a client that trusts another authority only', async () => {
      await assert.rejects(call(network.gatewayUrl, '/livez', other.cert), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    });

    it('lets only workers in that speak TLS, trust its authority and show a certificate of it', async () => {
      const address = network.ready.coordinator_grpc as string;
      const strange = other.issue('worker');
      const ssl = (ca: string, pair?: Pair) =>
        ChannelCredentials.createSsl(
          readFileSync(ca),
          pair ? readFileSync(pair.key) : null,
          pair ? readFileSync(pair.cert) : null,
        );
      assert.equal((await heartbeat(address, ssl(ours.cert, worker))).error, 'unknown_worker');
      for (const [who, credentials] of [
        ['plain text', ChannelCredentials.createInsecure()],
        ['no certificate', ssl(ours.cert)],
        ['a certificate of another authority', ssl(ours.cert, strange)],
        ['trust in another authority', ssl(other.cert, worker)],
      ] as const) {
        const { code } = await heartbeat(address, credentials);
        assert.ok(code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED, `${who}: ${code}`);
      }
      assert.equal((await heartbeat(address, ssl(ours.cert, worker))).error, 'unknown_worker');
    });

    it('lets a worker speak in the name of its certificate, and in no other', async () => {
      const address = network.ready.coordinator_grpc as string;
      const credentials = ChannelCredentials.createSsl(
        readFileSync(ours.cert),
        readFileSync(worker.key),
        readFileSync(worker.cert),
      );
      for (const id of ['worker', 'worker-7']) {
        assert.equal((await heartbeat(address, credentials, id)).error, 'unknown_worker', id);
      }
      for (const id of ['workers', 'worker2', 'other-worker', 'Worker', '']) {
        assert.equal((await heartbeat(address, credentials, id)).error, 'forbidden', id);
      }
    });

    it('shows its workers to an operator who speaks TLS, and to no other', async () => {
      const args = ['workers', 'ls', '--coordinator', network.ready.coordinator_grpc as string, '--json'];
      const tls = { WORKER_TLS_CA_FILE: ours.cert, WORKER_TLS_CERT_FILE: worker.cert, WORKER_TLS_KEY_FILE: worker.key };
      const seen = await zkraft(args, tls);
      assert.equal(seen.code, 0, seen.stdout);
      assert.equal((seen.json().workers as unknown[]).length, 1);
      const plain = await zkraft(args);
      assert.equal(plain.code, 4, plain.stdout);
    });
  });

  describe('settings', () => {
    const launchers = { server: launchGateway, coordinator: launchCoordinator, worker: launchWorker };
    const refuses = (part: keyof typeof launchers, settings: Record<string, string>, field: string, names: RegExp) =>
      assert.rejects(
        launchers[part](loadConfig({ flags: settings }), { logger: silentLogger } as never),
        (thrown) =>
          thrown instanceof ZkraftError &&
          thrown.code === 'config_invalid' &&
          thrown.field === field &&
          names.test(thrown.message),
      );

    it('that name one file of two are refused, and say which is missing', async () => {
      for (const part of ['server', 'coordinator'] as const) {
        await refuses(part, { [`${part}-tls-cert-file`]: server.cert }, `${part}.tls_key_file`, /set both, or neither/);
        await refuses(part, { [`${part}-tls-key-file`]: server.key }, `${part}.tls_cert_file`, /set both, or neither/);
      }
      const pair = { 'worker-tls-cert-file': worker.cert, 'worker-tls-key-file': worker.key };
      await refuses('worker', pair, 'worker.tls_ca_file', /authority that signed the coordinator/);
      const alone = { 'coordinator-tls-client-ca-file': ours.cert };
      await refuses('coordinator', alone, 'coordinator.tls_cert_file', /over TLS only/);
    });

    it('that name a file which is missing, is something else or belongs to another are refused, by name', async () => {
      const empty = join(dir, 'empty');
      writeFileSync(empty, '');
      const pair = (cert: string, key: string) => ({ 'server-tls-cert-file': cert, 'server-tls-key-file': key });
      await refuses('server', pair(join(dir, 'none'), server.key), 'server.tls_cert_file', /cannot be read/);
      await refuses('server', pair(server.cert, join(dir, 'none')), 'server.tls_key_file', /cannot be read/);
      await refuses('server', pair(empty, server.key), 'server.tls_cert_file', /no certificate in PEM/);
      await refuses('server', pair(server.key, server.cert), 'server.tls_cert_file', /no certificate in PEM/);
      await refuses('server', pair(server.cert, empty), 'server.tls_key_file', /no private key in PEM/);
      await refuses('server', pair(server.cert, worker.key), 'server.tls_key_file', /not the key of the certificate/);
      await refuses('worker', { 'worker-tls-ca-file': server.key }, 'worker.tls_ca_file', /no certificate in PEM/);
    });
  });
});
