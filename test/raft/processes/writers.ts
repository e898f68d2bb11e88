/** Clients that write without end, in sessions of their own, and remember what was acknowledged. */
import { type ChildNode, type ProcessBed, pause, type Words } from '../../support/raft-processes.ts';

export class Writers {
  readonly acknowledged = new Set<string>();
  readonly #bed: ProcessBed;
  readonly #done: Promise<void>[];
  #isOver = false;
  /** When the last one was acknowledged. */
  lastMs = 0;

  constructor(bed: ProcessBed, count: number) {
    this.#bed = bed;
    this.#done = Array.from({ length: count }, (_, i) => this.#write(i));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#done);
  }

  /** Until `count` more are acknowledged than now. */
  async more(count: number): Promise<void> {
    const aim = this.acknowledged.size + count;
    const endMs = performance.now() + 60_000;
    while (this.acknowledged.size < aim) {
      if (performance.now() > endMs) throw new Error(`only ${this.acknowledged.size} of ${aim} writes in 60 s`);
      await pause(2);
    }
  }

  async #write(writer: number): Promise<void> {
    let session: number | undefined;
    for (let sequence = 1; !this.#isOver; ) {
      const node = this.#someNode(writer);
      try {
        session ??= await node.ask<number>({ ask: 'open-session' });
        const word = `writer ${writer} session ${session} word ${sequence}`;
        // Whatever became of the last try: the same word, in the same session, under the same number.
        await node.ask({ ask: 'propose', word, session: { id: session, sequence } });
        this.acknowledged.add(word);
        this.lastMs = performance.now();
        sequence += 1;
      } catch (error) {
        if ((error as { code: string }).code === 'session_expired') throw error;
        await pause(2);
      }
    }
  }

  #someNode(writer: number): ChildNode {
    const running = this.#bed.running();
    return running[(writer + Math.floor(Math.random() * running.length)) % running.length] as ChildNode;
  }
}

/** Acknowledged and gone, and applied more than once. */
export function verdict(words: Words, acknowledged: ReadonlySet<string>): { lost: string[]; twice: string[] } {
  const applied = new Map(words);
  return {
    lost: [...acknowledged].filter((word) => !applied.has(word)),
    twice: [...applied]
      .filter(([word, indexes]) => word.startsWith('writer') && indexes.length > 1)
      .map(([word]) => word),
  };
}
