/** One node of `bench raft`: real transport, real disk, and the key-value map. */
import { readFileSync } from 'node:fs';
import { silentLogger } from '../../src/common/logging/index.ts';
import { encodeKvCommand, grpcTransport, KvMachine, openRaftNode } from '../../src/raft/index.ts';
import { latencies } from '../harness/latencies.ts';
import type { Marks, NodeAnswer, NodeOrder, NodeRequest } from './cluster.ts';
import { COMMAND_BYTES } from './index.ts';
import type { LoadFigures } from './report.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as NodeOrder;
const machine = new KvMachine();
const pem = (path: string): string => readFileSync(path, 'utf8');
const node = await openRaftNode<string>({
  dir: order.dir,
  name: order.name,
  raftAddress: order.raftAddress,
  clientAddress: order.raftAddress,
  bootstrap: order.bootstrap,
  connect: grpcTransport({
    listen: order.raftAddress,
    security: { mode: 'mutual-tls', cert: pem(order.certFile), key: pem(order.keyFile), ca: pem(order.caFile) },
    logger: silentLogger,
  }),
  heartbeatTimeoutMs: order.timeoutMs,
  electionTimeoutMs: order.timeoutMs,
  promoteInTouchMs: 100,
  logger: silentLogger,
  onFatal: (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(70);
  },
});
await node.start(machine);

const KEYS = 1_024;
const commands = Array.from({ length: KEYS }, (_, i) => put(`key ${i}`));
let nextCommand = 0;
/** The next of a thousand puts, all of the same length. */
function someCommand(): Uint8Array {
  nextCommand = (nextCommand + 1) % KEYS;
  return commands[nextCommand] as Uint8Array;
}

function put(key: string): Uint8Array {
  const aroundBytes = encodeKvCommand({ kind: 'put', key, value: '' }).length;
  return encodeKvCommand({ kind: 'put', key, value: 'v'.repeat(COMMAND_BYTES - aroundBytes) });
}

/** Of the clock that the parent reads too. */
const wallMs = (): number => Date.now();
let isWriting = false;
let marked = { term: 0, firstMs: undefined as number | undefined };
let lastMs: number | undefined;

/** While it leads: one command after the other. */
async function write(): Promise<void> {
  while (isWriting) {
    const { state } = node.status();
    if (state !== 'Leader') {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    const committed = await node.propose(someCommand()).catch(() => undefined);
    if (committed === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    lastMs = wallMs();
    if (committed.term > marked.term) marked = { term: committed.term, firstMs: lastMs };
  }
}

async function load(proposers: number, durationMs: number): Promise<LoadFigures> {
  const latenciesMs: number[] = [];
  const begunMs = performance.now();
  const propose = async (): Promise<void> => {
    while (performance.now() - begunMs < durationMs) {
      const sentMs = performance.now();
      await node.propose(someCommand());
      latenciesMs.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: proposers }, propose));
  const elapsedMs = performance.now() - begunMs;
  return { perSecond: (latenciesMs.length / elapsedMs) * 1_000, latencyMs: latencies(latenciesMs) };
}

async function answer(request: NodeRequest): Promise<unknown> {
  switch (request.ask) {
    case 'status':
      return node.status();
    case 'marks': {
      const { state, term } = node.status();
      const firstOfTermMs = marked.term === term ? marked.firstMs : undefined;
      return { leads: state === 'Leader', term, firstOfTermMs, lastMs } satisfies Marks;
    }
    case 'hash':
      return machine.hash();
    case 'add':
      return await node.addPeer(request.address);
    case 'promote':
      return await node.promote(request.name);
    case 'transfer':
      return await node.transferLeadership();
    case 'load':
      return await load(request.proposers, request.durationMs);
    case 'writing': {
      const begins = request.on && !isWriting;
      isWriting = request.on;
      if (begins) void write();
      return isWriting;
    }
  }
}

process.on('message', ({ id, request }: { id: number; request: NodeRequest }) => {
  const say = (body: Omit<NodeAnswer, 'id'>): void => {
    if (process.connected) process.send?.({ id, ...body } satisfies NodeAnswer);
  };
  answer(request).then(
    (value) => say({ value }),
    (error: Error) => say({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, value: 'ready' } satisfies NodeAnswer);
