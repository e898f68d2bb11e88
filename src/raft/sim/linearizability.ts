/**
 * Whether a history of concurrent operations is one that a sequential object could have given: linearizability.
 *
 * Wing and Gong's search with Lowe's memory (`Testing for linearizability`, 2017), as in Porcupine: take an operation
 * that may come next, since none that is still missing had returned before it was called, and go on from the state after
 * it; go back when an operation has returned that could not be taken. A set of operations taken together with the state
 * they led to is looked at once. Objects that do not touch one another (`partition`) are searched apart.
 *
 * An operation whose outcome is unknown never returned: it may be taken at any time after its call, or never. Those are
 * what a search is dear for, since each doubles what is to be looked at; hence `maxSteps`.
 */
import { ZkraftError } from '../../common/index.ts';
import { LinearizationSearch } from './linearization-search.ts';

export interface Operation<Input, Output> {
  readonly client: number;
  readonly input: Input;
  /** `undefined`: not known. It took effect all the same if it returned. */
  readonly output: Output | undefined;
  /**
   * When it began and ended, by one clock for all of the history. Whatever returned before another was called came before
   * it; at the same moment they are concurrent. `return` is Infinity where the outcome is unknown.
   */
  readonly call: number;
  readonly return: number;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  /** Whether the object may answer so in this state, and the state after. Pure. Without an output, any answer will do. */
  step(state: State, input: Input, output: Output | undefined): { readonly ok: boolean; readonly state: State };
  /** The same for equal states, and another for others. */
  key(state: State): string;
  /** Parts of the history that have nothing to do with one another, each on a state of its own. */
  partition?(operations: readonly Operation<Input, Output>[]): readonly (readonly Operation<Input, Output>[])[];
}

export interface CheckOptions {
  /** States that are looked at in one partition before the search is given up. Default: 1,000,000. */
  readonly maxSteps?: number;
}

/** How far a search came. */
export interface Prefix<Input, Output> {
  /** The longest beginning of the history, in time, that has an order: those operations, in that order. */
  readonly linearized: readonly Operation<Input, Output>[];
  /**
   * What does not fit: first the operation that had returned next, and for which no order has a place; then those that
   * were called before it returned and have no place in this order either.
   */
  readonly misfits: readonly Operation<Input, Output>[];
}

export type HistoryVerdict<Input, Output> =
  | {
      readonly verdict: 'linearizable';
      readonly steps: number;
      /** Of each partition, an order that explains it; operations of unknown outcome are in it if they had an effect. */
      readonly orders: readonly (readonly Operation<Input, Output>[])[];
    }
  | ({ readonly verdict: 'violation'; readonly steps: number } & Prefix<Input, Output>)
  | ({ readonly verdict: 'undecided'; readonly steps: number } & Prefix<Input, Output>);

const MAX_STEPS = 1_000_000;

/** Throws `invalid_request` for an operation that returned before it was called. */
export function checkHistory<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  { maxSteps = MAX_STEPS }: CheckOptions = {},
): HistoryVerdict<Input, Output> {
  const wrong = operations.find((operation) => !(operation.return >= operation.call));
  if (wrong !== undefined) {
    throw new ZkraftError('invalid_request', `an operation of client ${wrong.client} returned before it was called`);
  }
  const orders: (readonly Operation<Input, Output>[])[] = [];
  let steps = 0;
  let undecided: Prefix<Input, Output> | undefined;
  for (const part of model.partition?.(operations) ?? [operations]) {
    const found = new LinearizationSearch(model, part).run(maxSteps);
    steps += found.steps;
    if (found.verdict === 'violation') return { ...found, steps };
    if (found.verdict === 'undecided') undecided ??= { linearized: found.linearized, misfits: found.misfits };
    else orders.push(found.order);
  }
  if (undecided !== undefined) return { verdict: 'undecided', steps, ...undecided };
  return { verdict: 'linearizable', steps, orders };
}
