/** Histories of clients to judge, and judges that try everything. */
import type { KvInput, KvOperation } from '../../../src/raft/sim/kv-model.ts';
import type { Model, Operation } from '../../../src/raft/sim/linearizability.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

export interface Shape {
  readonly seed: number;
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** How many of the writes have an unknown outcome; of those one half took effect. From 0 to 1. */
  readonly unknownPart: number;
}

/**
 * What clients of one map saw: each operation takes effect at one moment, and its call and return lie around it, so that
 * those of different clients overlap. A client calls again once the last call has returned, or was given up.
 */
export function sequentialHistory({ seed, operations, clients, keys, unknownPart }: Shape): KvOperation[] {
  const random = new SeededRandom(seed);
  const below = (bound: number): number => random.below(bound);
  const happens = (chance: number): boolean => below(1_000) < 1_000 * chance;
  const values = new Map<string, string>();
  const freeAt = Array.from({ length: clients }, () => 0);
  const history: KvOperation[] = [];
  /** Of unknown outcome, and still to take effect. */
  let late: { readonly at: number; readonly input: KvInput }[] = [];
  const effect = (input: KvInput): string => {
    const before = values.get(input.key) ?? '';
    if (input.kind === 'put') values.set(input.key, input.value);
    if (input.kind === 'append') values.set(input.key, before + input.value);
    if (input.kind === 'delete') values.delete(input.key);
    return before;
  };
  let at = 0;
  for (let i = 0; i < operations; i += 1) {
    // An effect every 10; calls and returns reach over several of them.
    const client = below(clients);
    const free = freeAt[client] ?? 0;
    at = Math.max(at + 10, free + 2);
    const call = Math.max(free + 1, at - below(40));
    const end = at + below(40);
    const input = someInput(`k${below(keys)}`, String.fromCharCode(97 + (i % 26)), below(8));
    const isOfPast = (one: { readonly at: number }): boolean => one.at <= at;
    for (const { input: then } of late.filter(isOfPast)) effect(then);
    late = late.filter((one) => !isOfPast(one));
    if (input.kind !== 'get' && happens(unknownPart)) {
      history.push({ client, input, output: undefined, call, return: Number.POSITIVE_INFINITY });
      if (happens(0.5)) late.push({ at: at + below(200), input });
      freeAt[client] = at;
    } else {
      history.push({ client, input, output: effect(input), call, return: end });
      freeAt[client] = end;
    }
  }
  return history;
}

function someInput(key: string, value: string, die: number): KvInput {
  if (die < 4) return { kind: 'get', key };
  if (die < 6) return { kind: 'append', key, value };
  return die === 6 ? { kind: 'put', key, value } : { kind: 'delete', key };
}

/** Whether any order of the operations explains them, by trying all; those of unknown outcome may be left out. */
export function hasOrder<State, Input, Output>(
  { initial, step }: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean {
  const from = (state: State, left: readonly Operation<Input, Output>[]): boolean => {
    if (left.every((operation) => operation.return === Number.POSITIVE_INFINITY)) return true;
    return left.some((next) => {
      if (left.some((other) => other.return < next.call)) return false;
      const after = step(state, next.input, next.output);
      return (
        after.ok &&
        from(
          after.state,
          left.filter((other) => other !== next),
        )
      );
    });
  };
  return from(initial, operations);
}

/** Whether `order` holds all that returned, each once, in an order that time allows and the model explains. */
export function isOrderOf<State, Input, Output>(
  { initial, step }: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  order: readonly Operation<Input, Output>[],
): boolean {
  const ordered = new Set(order);
  if (ordered.size !== order.length || order.some((operation) => !operations.includes(operation))) return false;
  const missing = operations.filter((operation) => !ordered.has(operation));
  if (missing.some((operation) => operation.return < Number.POSITIVE_INFINITY)) return false;
  let state = initial;
  return order.every((operation, i) => {
    const after = step(state, operation.input, operation.output);
    state = after.state;
    return after.ok && order.slice(i + 1).every((later) => later.return >= operation.call);
  });
}
