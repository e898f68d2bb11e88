/**
 * The search for an order of one partition of a history. See `linearizability.ts`, which says what it is looking for.
 *
 * Calls and returns stand in a doubly linked list, in time. The search walks from the head: a call may be taken, and then
 * it is lifted out with its return and the walk begins anew; a return that is met is of an operation that should have been
 * taken, so the last one taken is put back and the walk goes on behind it.
 */
import { invariant } from '../../common/index.ts';
import type { Model, Operation, Prefix } from './linearizability.ts';
import { TakenSet, VisitedStates } from './visited-states.ts';

interface Event {
  /** Place of the operation in the order of calls. */
  readonly operation: number;
  readonly isReturn: boolean;
  readonly time: number;
  before: Event | undefined;
  after: Event | undefined;
}

export type Found<Input, Output> =
  | { readonly verdict: 'linearizable'; readonly steps: number; readonly order: readonly Operation<Input, Output>[] }
  | ({ readonly verdict: 'violation'; readonly steps: number } & Prefix<Input, Output>)
  | ({ readonly verdict: 'undecided'; readonly steps: number } & Prefix<Input, Output>);

/** For one `run`. */
export class LinearizationSearch<State, Input, Output> {
  readonly #model: Model<State, Input, Output>;
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #head: Event = {
    operation: -1,
    isReturn: false,
    time: Number.NEGATIVE_INFINITY,
    before: undefined,
    after: undefined,
  };
  readonly #calls: Event[] = [];
  /** `undefined` for operations that never returned. */
  readonly #returns: (Event | undefined)[] = [];
  readonly #taken: { readonly operation: number; readonly stateBefore: State }[] = [];
  readonly #takenSet: TakenSet;
  readonly #visited = new VisitedStates();
  /** Returned, and not taken. */
  #missing = 0;
  #state: State;
  #furthest: (Prefix<Input, Output> & { readonly time: number }) | undefined;

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    this.#model = model;
    this.#state = model.initial;
    this.#operations = [...operations].sort((a, b) => a.call - b.call);
    this.#takenSet = new TakenSet(operations.length);
    const events: Event[] = [];
    this.#operations.forEach((operation, i) => {
      const call = { operation: i, isReturn: false, time: operation.call, before: undefined, after: undefined };
      this.#calls.push(call);
      events.push(call);
      const isOver = operation.return < Number.POSITIVE_INFINITY;
      const end = { operation: i, isReturn: true, time: operation.return, before: undefined, after: undefined };
      this.#returns.push(isOver ? end : undefined);
      if (!isOver) return;
      events.push(end);
      this.#missing += 1;
    });
    // At the same moment calls come first: those operations are concurrent.
    events.sort((a, b) => a.time - b.time || Number(a.isReturn) - Number(b.isReturn));
    let last = this.#head;
    for (const event of events) {
      last.after = event;
      event.before = last;
      last = event;
    }
  }

  run(maxSteps: number): Found<Input, Output> {
    let steps = 0;
    let event = this.#head.after;
    while (this.#missing > 0) {
      invariant(event !== undefined, 'an operation is missing, and its return is not in the list');
      if (event.isReturn) {
        this.#noteBlocked(event);
        const last = this.#putBack();
        if (last === undefined) return { verdict: 'violation', steps, ...this.#prefix(event) };
        event = last.after;
      } else if (steps >= maxSteps) {
        return { verdict: 'undecided', steps, ...this.#prefix(event) };
      } else {
        steps += 1;
        event = this.#take(event.operation) ? this.#head.after : event.after;
      }
    }
    return { verdict: 'linearizable', steps, order: this.#order() };
  }

  /** Whether it may come next, and leads to where the search has not been. */
  #take(operation: number): boolean {
    const { input, output } = this.#operation(operation);
    const { ok, state } = this.#model.step(this.#state, input, output);
    if (!ok) return false;
    const hasReturned = this.#returns[operation] !== undefined;
    const key = this.#model.key(state);
    // It may as well never have happened.
    if (!hasReturned && key === this.#model.key(this.#state)) return false;
    this.#takenSet.toggle(operation);
    if (!this.#visited.add(this.#takenSet, key)) {
      this.#takenSet.toggle(operation);
      return false;
    }
    this.#taken.push({ operation, stateBefore: this.#state });
    this.#state = state;
    lift(this.#calls[operation]);
    lift(this.#returns[operation]);
    if (hasReturned) this.#missing -= 1;
    return true;
  }

  /** The call of the one that was taken last, if any was. */
  #putBack(): Event | undefined {
    const last = this.#taken.pop();
    if (last === undefined) return undefined;
    const { operation, stateBefore } = last;
    this.#state = stateBefore;
    this.#takenSet.toggle(operation);
    // The other way round than they were lifted: each finds the neighbours that it left.
    putBack(this.#returns[operation]);
    putBack(this.#calls[operation]);
    if (this.#returns[operation] !== undefined) this.#missing += 1;
    return this.#calls[operation];
  }

  /** A search that reached a later return explains more of the history; one that took more by then leaves less. */
  #noteBlocked(event: Event): void {
    const { time, linearized } = this.#furthest ?? { time: Number.NEGATIVE_INFINITY, linearized: [] };
    if (event.time < time || (event.time === time && this.#taken.length <= linearized.length)) return;
    this.#furthest = { time: event.time, ...this.#prefixAt(event) };
  }

  #prefix(event: Event): Prefix<Input, Output> {
    const { linearized, misfits } = this.#furthest ?? this.#prefixAt(event);
    return { linearized, misfits };
  }

  #prefixAt(blocked: Event): Prefix<Input, Output> {
    const misfits = [this.#operation(blocked.operation)];
    for (let event = this.#head.after; event !== undefined && event !== blocked; event = event.after) {
      if (event.operation !== blocked.operation) misfits.push(this.#operation(event.operation));
    }
    return { linearized: this.#order(), misfits };
  }

  #order(): Operation<Input, Output>[] {
    return this.#taken.map(({ operation }) => this.#operation(operation));
  }

  #operation(at: number): Operation<Input, Output> {
    const operation = this.#operations[at];
    invariant(operation !== undefined, `there is no operation ${at}`);
    return operation;
  }
}

function lift(event: Event | undefined): void {
  if (event === undefined) return;
  if (event.before !== undefined) event.before.after = event.after;
  if (event.after !== undefined) event.after.before = event.before;
}

function putBack(event: Event | undefined): void {
  if (event === undefined) return;
  if (event.before !== undefined) event.before.after = event;
  if (event.after !== undefined) event.after.before = event;
}
