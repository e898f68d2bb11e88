/**
 * One proof over all threads.
 *
 * One thread computes the witness into the proof's area; then the sums A and B begin at once, cut among the others,
 * while it computes the quotient, whose scalars the rest of C waits for; last one thread puts the parts together and
 * checks the proof. Parts are cut so that each thread has about the same number of additions. A hop to a thread costs a
 * tenth of a millisecond, a bucket reduction some: so a thread has one part of a sum, if it can be.
 *
 * The area is given back when no part runs any more, however the proof ended.
 */
import { ZkraftError } from '../../common/index.ts';
import {
  additionsOf,
  type PlainPoint,
  type PreparedCircuit,
  SUM_OF_TABLE,
  type SumName,
  type SumPart,
  type WasmHost,
} from '../wasm/index.ts';
import type { RunTaskOptions, TaskExecutor } from './executor.ts';
import type { ProvedAnswer, ProvingTask, SumsAnswer, WitnessAnswer } from './tasks.ts';

type ProofTask = Extract<ProvingTask, { readonly kind: 'prove' | 'prove-merkle' }>;

/** Of G2, in additions of G1; and of the quotient, for each point of the domain. Measured. */
const G2_COST = 3.2;
const QUOTIENT_COST = 5;

export interface Part {
  readonly sum: SumName;
  readonly parts: readonly SumPart[];
  /** Whether it needs the quotient's scalars. */
  readonly afterQuotient: boolean;
}

/** What each thread does, the first one after the quotient. */
export function divide(circuit: PreparedCircuit, threads: number): Part[][] {
  const { tables, shapes, domainSize } = circuit;
  const line = (['h', 'c', 'b1', 'a', 'b2'] as const).map((table) => {
    const shape = shapes[SUM_OF_TABLE[table]];
    const each = (additionsOf(shape, 1000) - additionsOf(shape, 0)) / 1000;
    return { table, points: tables[table].points, cost: each * (table === 'b2' ? G2_COST : 1) };
  });
  const quotient = QUOTIENT_COST * domainSize;
  const total = line.reduce((sum, { points, cost }) => sum + points * cost, quotient);
  const share = total / threads;
  const plan: SumPart[][] = Array.from({ length: threads }, () => []);
  let [thread, room] = [0, share - quotient];
  for (const { table, points, cost } of line) {
    for (let from = 0; from < points; ) {
      const last = thread === threads - 1;
      const fits = last ? points : Math.min(points, from + Math.max(0, Math.floor(room / cost)));
      if (fits > from) {
        plan[thread]?.push({ table, from, to: fits });
        room -= (fits - from) * cost;
        from = fits;
      }
      if (from < points) {
        thread += 1;
        room = share;
      }
    }
  }
  // The sums of a thread apart, and first those that need not wait.
  return plan.map((parts) => {
    const bySum = new Map<SumName, SumPart[]>();
    for (const part of parts) {
      const sum = SUM_OF_TABLE[part.table];
      bySum.set(sum, [...(bySum.get(sum) ?? []), part]);
    }
    return [...bySum.entries()]
      .map(([sum, some]) => ({ sum, parts: some, afterQuotient: sum === 'c' }))
      .sort((a, b) => Number(a.afterQuotient) - Number(b.afterQuotient));
  });
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
  // One part that fails ends the others.
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener('abort', onAbort, { once: true });
  const area = host.takeArea(circuit.proof.bytes);
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
