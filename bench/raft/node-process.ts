/** One node of `bench raft`: real transport, real disk, and a state machine that only counts. */
import { readFileSync } from 'node:fs';
import { silentLogger } from '../../src/common/logging/index.ts';
import { grpcTransport, openRaftNode, type StateMachine } from '../../src/raft/index.ts';
import type { LoadFigures, Marks, NodeAnswer, NodeOrder, NodeRequest } from './cluster.ts';
import { COMMAND_BYTES } from './index.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as NodeOrder;
let applied = 0;
const machine: StateMachine<number> = {
  apply: () => {
    applied += 1;
    return applied;
  },
  snapshot: () => Buffer.from(String(applied)),
  restore: (bytes) => {
    applied = Number(Buffer.from(bytes).toString());
  },
};
const pem = (path: string): string => readFileSync(path, 'utf8');
const node = await openRaftNode<number>({
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

const command = new Uint8Array(COMMAND_BYTES).fill(7);
const wallMs = (): number => performance.timeOrigin + performance.now();
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
    const committed = await node.propose(command).catch(() => undefined);
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
      await node.propose(command);
      latenciesMs.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: proposers }, propose));
  const elapsedMs = performance.now() - begunMs;
  latenciesMs.sort((a, b) => a - b);
  const at = (part: number): number =>
    latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * part))] ?? 0;
  return {
    perSecond: (latenciesMs.length / elapsedMs) * 1_000,
    latencyMs: { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
  };
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
