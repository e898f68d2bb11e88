/**
 * One node of a replicated key-value map in a process of its own, told what to do over the channel of its parent.
 *
 * Started by `raft-processes.ts`. SIGTERM hands leadership over and ends it; anything else that ends it is the test's.
 */
import { readFileSync } from 'node:fs';
import { silentLogger } from '../../src/common/logging/index.ts';
import { raftAdmin } from '../../src/common/rpc/index.ts';
import {
  createRaftAdminService,
  encodeKvCommand,
  grpcTransport,
  KvMachine,
  kvResultCodec,
  openRaftNode,
  type RaftNode,
} from '../../src/raft/index.ts';
import type { ChildAnswer, ChildOptions, ChildRequest } from './raft-processes.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as ChildOptions;
const machine = new KvMachine();
const pem = (path: string): string => readFileSync(path, 'utf8');
const node: RaftNode<string> = await openRaftNode<string>({
  ...options,
  clientAddress: `${options.name}:clients`,
  connect: grpcTransport({
    listen: options.raftAddress,
    security: {
      mode: 'mutual-tls',
      cert: pem(options.files.cert),
      key: pem(options.files.key),
      ca: pem(options.files.ca),
    },
    logger: silentLogger,
    addServices: (server) =>
      server.addService(raftAdmin.RaftAdminServiceService, createRaftAdminService(node, silentLogger)),
  }),
  codec: kvResultCodec,
  freeBytesMin: 0,
  logger: silentLogger,
  onFatal: (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(70);
  },
});
await node.start(machine);

/** As many proposals at a time as asked, for so long; how many were committed, and how long each took. */
async function load(proposers: number, durationMs: number): Promise<unknown> {
  const latenciesMs: number[] = [];
  const endMs = performance.now() + durationMs;
  const propose = async (proposer: number): Promise<void> => {
    const data = encodeKvCommand({ kind: 'put', key: `load ${proposer}`, value: '.'.repeat(240) });
    while (performance.now() < endMs) {
      const begunMs = performance.now();
      await node.propose(data);
      latenciesMs.push(performance.now() - begunMs);
    }
  };
  const begunMs = performance.now();
  await Promise.all(Array.from({ length: proposers }, (_, i) => propose(i)));
  return { latenciesMs, elapsedMs: performance.now() - begunMs };
}

async function answer(request: ChildRequest): Promise<unknown> {
  switch (request.ask) {
    case 'status':
      return node.status();
    case 'peers':
      return await node.peers();
    case 'propose':
      return await node.propose(request.data, request.options);
    case 'open-session':
      return await node.openSession();
    case 'read-index':
      return await node.readIndex();
    case 'get':
      return machine.get(request.key);
    case 'hash':
      return machine.hash();
    case 'add':
      return await node.addPeer(request.address);
    case 'promote':
      return await node.promote(request.name);
    case 'remove':
      return await node.removePeer(request.name);
    case 'transfer':
      return await node.transferLeadership(request.name);
    case 'load':
      return await load(request.proposers, request.durationMs);
  }
}

process.on('message', ({ id, request }: { id: number; request: ChildRequest }) => {
  const say = (body: Omit<ChildAnswer, 'id'>): void => {
    if (process.connected) process.send?.({ id, ...body } satisfies ChildAnswer);
  };
  answer(request).then(
    (value) => say({ value }),
    (error: { code?: string; message: string }) =>
      say({ error: { code: error.code ?? 'internal', message: error.message } }),
  );
});
process.on('SIGTERM', () => {
  node.stop({ transfer: true }).then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, value: 'ready' } satisfies ChildAnswer);
