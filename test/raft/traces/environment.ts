/**
 * A cluster in one thread, without time: messages lie in one queue until a script delivers them. Each node is the real
 * core over a storage in memory, with a state machine that strings together what it applies.
 *
 * What etcd's `rafttest` environment does, so that its scripts can be replayed. All output goes through `Output`.
 */
import {
  type CoreOptions,
  decodeConfChange,
  MemoryStorage,
  type Message,
  RawNode,
  type StepOutcome,
  type StorageAppend,
  type StorageApply,
} from '../../../src/raft/core/index.ts';
import type { ConfState, Entry, HardState, NodeId, Snapshot } from '../../../src/raft/types.ts';
import { ScriptError } from './datadriven.ts';
import { describeEntries, describeMessage, describeReady } from './describe.ts';

/** What the script sees. Indentation nests; while quiet, nothing gets in. */
export class Output {
  #text = '';
  quiet = false;

  write(text: string): void {
    if (!this.quiet) this.#text += text;
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }

  indented(body: () => void): void {
    const before = this.take();
    try {
      body();
    } finally {
      const lines = this.take().split('\n');
      if (lines.at(-1) === '') lines.pop();
      this.#text = before + lines.map((line) => `  ${line}\n`).join('');
    }
  }
}

/** Gives the state machine's newest snapshot, not the one the log was started from. */
class HistoryStorage extends MemoryStorage {
  readonly history: Snapshot[] = [];

  override snapshot(): Snapshot {
    return this.newest;
  }

  get newest(): Snapshot {
    return this.history.at(-1) as Snapshot;
  }
}

export interface Host {
  readonly id: NodeId;
  readonly raw: RawNode;
  readonly options: CoreOptions;
  readonly storage: HistoryStorage;
  readonly appendWork: StorageAppend[];
  readonly applyWork: StorageApply[];
}

export type NodeOptions = Omit<CoreOptions, 'id' | 'storage' | 'jitterTicks'>;

export interface Recipient {
  readonly id: NodeId;
  readonly drop: boolean;
}

const EMPTY = new Uint8Array(0);

/** Work of a node for itself; a network cannot lose it. */
const isLocal = (message: Message): boolean =>
  message.type === 'storage-append-response' ||
  message.type === 'storage-apply-response' ||
  message.from === message.to;

export class Environment {
  readonly output = new Output();
  readonly hosts: Host[] = [];
  messages: Message[] = [];
  readonly #jitterTicks: number;

  /** The scripts must come out the same whatever this is: where it matters, they set the timeout. */
  constructor(jitterTicks: number) {
    this.#jitterTicks = jitterTicks;
  }

  host(id: NodeId): Host {
    const host = this.hosts[id - 1];
    if (host === undefined) throw new Error(`there is no node ${id}`);
    return host;
  }

  addNodes(count: number, options: NodeOptions, start: Snapshot | undefined): void {
    for (let i = 0; i < count; i++) {
      const id = this.hosts.length + 1;
      const storage = new HistoryStorage();
      const none: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
      storage.history.push(start ?? { data: EMPTY, metadata: { index: 0, term: 0, confState: none } });
      if (start !== undefined) {
        if (start.metadata.index <= 1) throw new ScriptError('index must be specified as > 1 due to bootstrap');
        storage.applySnapshot(start);
      }
      const all: CoreOptions = { ...options, id, storage, jitterTicks: () => this.#jitterTicks };
      this.hosts.push({ id, raw: new RawNode(all), options: all, storage, appendWork: [], applyWork: [] });
    }
  }

  processReady(id: NodeId): void {
    const host = this.host(id);
    const ready = host.raw.ready();
    this.output.write(describeReady(ready));
    this.messages.push(...ready.messages);
    if (host.options.asyncStorageWrites) {
      if (ready.storageAppend !== undefined) host.appendWork.push(ready.storageAppend);
      if (ready.storageApply !== undefined) host.applyWork.push(ready.storageApply);
      return;
    }
    write(host, ready.hardState, ready.entries, ready.snapshot);
    apply(host, ready.committedEntries);
    host.raw.advance();
  }

  processAppend(id: NodeId): void {
    const host = this.host(id);
    const work = host.appendWork.shift();
    if (work === undefined) {
      this.output.write('no append work to perform');
      return;
    }
    this.output.line(`Processing:\n${describeMessage({ ...work, responses: [] })}`);
    write(host, work.hardState, work.entries, work.snapshot);
    this.#respond(work.responses);
  }

  processApply(id: NodeId): void {
    const host = this.host(id);
    const work = host.applyWork.shift();
    if (work === undefined) {
      this.output.write('no apply work to perform');
      return;
    }
    this.output.line(`Processing:\n${describeMessage({ ...work, responses: [] })}`);
    apply(host, work.entries);
    this.#respond(work.responses);
  }

  #respond(responses: readonly Message[]): void {
    this.output.line('Responses:');
    for (const response of responses) this.output.line(describeMessage(response));
    this.messages.push(...responses);
  }

  hasMessagesFor(id: NodeId): boolean {
    return this.messages.some(({ to }) => to === id);
  }

  /** How many there were. What is sent meanwhile waits for the next time. */
  deliver(recipients: readonly Recipient[], type?: Message['type']): number {
    let count = 0;
    for (const { id, drop } of recipients) {
      const chosen = (message: Message): boolean =>
        message.to === id && !(drop && isLocal(message)) && (type === undefined || message.type === type);
      const due = this.messages.filter(chosen);
      this.messages = this.messages.filter((message) => !chosen(message));
      count += due.length;
      for (const message of due) {
        this.output.line(`${drop ? 'dropped: ' : ''}${describeMessage(message)}`);
        if (drop) continue;
        const error = STEP_ERRORS[this.host(id).raw.step(message)];
        if (error !== undefined) this.output.line(error);
      }
    }
    return count;
  }

  stabilize(ids: readonly NodeId[]): void {
    const section = (id: NodeId, title: string, body: () => void): void => {
      this.output.line(`> ${id} ${title}`);
      this.output.indented(body);
      busy = true;
    };
    const all = (work: readonly unknown[], one: () => void): void => {
      while (work.length > 0) one();
    };
    let busy = true;
    while (busy) {
      busy = false;
      for (const id of ids)
        if (this.host(id).raw.hasReady()) section(id, 'handling Ready', () => this.processReady(id));
      for (const id of ids)
        if (this.hasMessagesFor(id)) section(id, 'receiving messages', () => this.deliver([{ id, drop: false }]));
      for (const id of ids) {
        const { appendWork } = this.host(id);
        if (appendWork.length > 0)
          section(id, 'processing append thread', () => all(appendWork, () => this.processAppend(id)));
      }
      for (const id of ids) {
        const { applyWork } = this.host(id);
        if (applyWork.length > 0)
          section(id, 'processing apply thread', () => all(applyWork, () => this.processApply(id)));
      }
    }
  }

  sendSnapshot(from: NodeId, to: NodeId): void {
    const { raw, storage } = this.host(from);
    const message: Message = { type: 'snapshot', from, to, term: raw.status().term, snapshot: storage.newest };
    this.messages.push(message);
    this.output.write(describeMessage(message));
  }

  printLog(id: NodeId): void {
    const { storage } = this.host(id);
    const [first, last] = [storage.firstIndex(), storage.lastIndex()];
    if (last < first) this.output.write(`log is empty: first index=${first}, last index=${last}`);
    else this.output.write(describeEntries(storage.entries(first, last + 1, Number.POSITIVE_INFINITY) ?? []));
  }
}

const STEP_ERRORS: Readonly<Record<StepOutcome, string | undefined>> = {
  handled: undefined,
  dropped: 'raft proposal dropped',
  'unknown-peer': 'raft: cannot step as peer not found',
};

function write(
  { storage }: Host,
  hardState: HardState | undefined,
  entries: readonly Entry[],
  snapshot: Snapshot | undefined,
): void {
  if (hardState !== undefined) storage.setHardState(hardState);
  if (snapshot === undefined) {
    storage.append(entries);
    return;
  }
  if (entries.length > 0) throw new ScriptError("can't apply snapshot and entries at the same time");
  if (!storage.applySnapshot(snapshot)) throw new ScriptError('requested index is older than the existing snapshot');
}

function apply({ raw, storage }: Host, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const change = decodeConfChange(entry);
    const before = storage.newest;
    const confState = change === undefined ? before.metadata.confState : raw.applyConfChange(change);
    const data = Buffer.concat([before.data, change === undefined ? entry.data : change.context]);
    storage.history.push({ data, metadata: { index: entry.index, term: entry.term, confState } });
  }
}
