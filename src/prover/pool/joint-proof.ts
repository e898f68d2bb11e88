/**
 * One proof over all threads.
 *
 * One thread computes the witness into the proof's area; then the sums A and B begin at once, cut among the others,
 * while it computes the quotient, whose scalars the rest of C waits for; last one thread puts the parts together and
 * checks the proof. Threads have about the same number of additions each. A hop to a thread costs a tenth of a
 * millisecond, a bucket reduction several: so sums stay whole where that costs the longest thread little more.
 *
 * The area is given back when no part runs any more, however the proof ended.
 */
import { ZkraftError } from '../../common/index.ts';
import {
  additionsOf,
  type PlainPoint,
  type PreparedCircuit,
  type SumName,
  type SumPart,
  type WasmHost,
} from '../wasm/index.ts';
import type { RunTaskOptions, TaskExecutor } from './executor.ts';
import type { ProvedAnswer, ProvingTask, SumsAnswer, WitnessAnswer } from './tasks.ts';

type ProofTask = Extract<ProvingTask, { readonly kind: 'prove' | 'prove-merkle' }>;

/** Of G2, in additions of G1; and of the quotient, for each point of the domain. Measured. */
const G2_COST = 2.4;
const QUOTIENT_COST = 5;
/** How far beyond its share a thread goes, in bucket reductions, to spare another one a reduction of the same sum. */
const OVERHANG = 1;
/** Halvings until a share is found: to a thousandth of the whole. */
const SHARE_STEPS = 10;

export interface Part {
  readonly sum: SumName;
  readonly parts: readonly SumPart[];
  /** Whether it needs the quotient's scalars. */
  readonly afterQuotient: boolean;
}

/** The tables of each sum, in the order in which threads take them. */
const TABLES: Readonly<Record<SumName, readonly SumPart['table'][]>> = { c: ['h', 'c', 'b1'], a: ['a'], b: ['b2'] };

/** Points `from` to `to` - 1 of a sum whose tables are thought of as one. */
function partsBetween({ tables }: PreparedCircuit, sum: SumName, from: number, to: number): SumPart[] {
  const parts: SumPart[] = [];
  let first = 0;
  for (const table of TABLES[sum]) {
    const { points } = tables[table];
    const part = { table, from: Math.max(0, from - first), to: Math.min(points, to - first) };
    if (part.from < part.to) parts.push(part);
    first += points;
  }
  return parts;
}

/** What each thread does, the first one after the quotient. */
export function divide(circuit: PreparedCircuit, threads: number): Part[][] {
  const sums = (['c', 'a', 'b'] as const).map((sum) => {
    const factor = sum === 'b' ? G2_COST : 1;
    const points = TABLES[sum].reduce((count, table) => count + circuit.tables[table].points, 0);
    const reduction = factor * additionsOf(circuit.shapes[sum], 0);
    return { sum, points, reduction, each: (factor * additionsOf(circuit.shapes[sum], 1000) - reduction) / 1000 };
  });
  const quotient = QUOTIENT_COST * circuit.domainSize;

  /** Each thread takes what fits its share, the last one the rest; `room` is what is left of its share then. */
  const cut = (share: number, overhang: number): { readonly plan: Part[][]; readonly room: number } => {
    const plan: Part[][] = Array.from({ length: threads }, () => []);
    let [thread, room] = [0, share - quotient];
    for (const { sum, points, reduction, each } of sums) {
      for (let from = 0; from < points; ) {
        const excess = (points - from) * each + reduction - room;
        const whole = thread === threads - 1 || excess <= overhang * reduction;
        const to = whole ? points : Math.min(points, from + Math.max(0, Math.floor((room - reduction) / each)));
        if (to > from) {
          plan[thread]?.push({ sum, parts: partsBetween(circuit, sum, from, to), afterQuotient: sum === 'c' });
          room -= (to - from) * each + reduction;
        }
        from = to;
        if (from < points) {
          thread += 1;
          room = share;
        }
      }
    }
    return { plan, room };
  };

  // The least share with which the last thread has no more than its own.
  const all = sums.reduce((cost, { points, each, reduction }) => cost + points * each + reduction, quotient);
  let [tooLittle, enough] = [0, all];
  for (let step = 0; step < SHARE_STEPS; step++) {
    const share = (tooLittle + enough) / 2;
    if (cut(share, 0).room >= 0) enough = share;
    else tooLittle = share;
  }
  // First what need not wait.
  return cut(enough, OVERHANG).plan.map((parts) =>
    parts.sort((a, b) => Number(a.afterQuotient) - Number(b.afterQuotient)),
  );
}

export async function proveJointly(
  executor: TaskExecutor<ProvingTask>,
  host: WasmHost,
  task: ProofTask,
  options: RunTaskOptions,
): Promise<{ readonly queueMs: number; readonly answer: ProvedAnswer }> {
  const circuit = task.circuit.prepared;
  if (circuit === undefined) throw new ZkraftError('internal', 'a circuit that is being proved is prepared');
  const beganAtMs = performance.now();
  const limitMs = options.timeoutMs;
  const left = (): number => Math.max(1, limitMs - (performance.now() - beganAtMs));
  // First: where there is no memory, nothing is left to undo.
  const area = host.takeArea(circuit.proof.bytes);
  // One part that fails ends the others.
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener('abort', onAbort, { once: true });
  const workBytes = circuit.proof.bytes - circuit.proof.work;
  const running: Promise<void>[] = [];
  let queueMs = 0;

  const run = <T>(one: ProvingTask, more: Partial<RunTaskOptions> = {}): Promise<T> => {
    let released = (): void => {};
    running.push(new Promise((resolve) => (released = resolve)));
    return executor.run(one, {
      signal: stop.signal,
      timeoutMs: left(),
      accepted: true,
      onEvent: options.onEvent,
      ...more,
      onReleased: () => {
        more.onReleased?.();
        released();
      },
    }) as Promise<T>;
  };
  const sums = (parts: readonly Part[]): Promise<SumsAnswer> => {
    let work: ReturnType<WasmHost['takeArea']> | undefined;
    const one: Extract<ProvingTask, { kind: 'sums' }> = {
      kind: 'sums',
      backend: 'wasm',
      circuit,
      areaAt: area.at,
      parts: parts.map((part) => part.parts),
    };
    return run<SumsAnswer>(one, {
      onStart: () => {
        work = host.takeArea(workBytes);
        one.workAt = work.at;
      },
      onReleased: () => {
        if (work) host.giveBackArea(work);
      },
    });
  };

  try {
    const witness = await run<WitnessAnswer>(
      { ...task, areaAt: area.at, witnessOnly: true },
      {
        accepted: false,
        onStart: (waitedMs) => {
          queueMs = waitedMs;
        },
      },
    );
    const provingAtMs = performance.now();
    options.onEvent?.({ stage: 'prove' });
    const plan = divide(circuit, executor.threads);
    const found: { readonly part: Part; readonly point: PlainPoint | null }[] = [];
    const collect = async (parts: readonly Part[]): Promise<void> => {
      if (parts.length === 0) return;
      const points = await sums(parts);
      parts.forEach((part, i) => {
        found.push({ part, point: points[i] ?? null });
      });
    };
    const quotient = run<undefined>({ kind: 'quotient', backend: 'wasm', circuit, areaAt: area.at });
    const threads = plan.map(async (parts) => {
      const early = collect(parts.filter(({ afterQuotient }) => !afterQuotient));
      await Promise.all([early, quotient]);
      await collect(parts.filter(({ afterQuotient }) => afterQuotient));
    });
    await Promise.all([quotient, ...threads]);
    const of = (name: SumName): (PlainPoint | null)[] =>
      found.filter(({ part }) => part.sum === name).map(({ point }) => point);
    const finished = await run<ProvedAnswer>({
      kind: 'finish',
      backend: 'wasm',
      circuit: task.circuit,
      areaAt: area.at,
      sums: { a: of('a'), b: of('b'), c: of('c') },
      publicSignals: witness.publicSignals,
    });
    const proveMs = performance.now() - provingAtMs - finished.verifyMs;
    return { queueMs, answer: { ...finished, witnessMs: witness.witnessMs, proveMs } };
  } catch (error) {
    stop.abort();
    if (options.signal?.aborted) throw new ZkraftError('prover_aborted', 'proving was cancelled');
    if (performance.now() - beganAtMs >= limitMs) {
      throw new ZkraftError('prover_timeout', `proving took longer than ${limitMs} ms`);
    }
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    void Promise.all(running).then(() => host.giveBackArea(area));
  }
}
