/** The sequential object of histories over the key-value map: writes that give the value before, and reads. */
import { type KvCommand, valueAfter } from '../kv/index.ts';
import type { Model, Operation } from './linearizability.ts';

/** What a client asked: a command, or a read. */
export type KvInput = KvCommand | { readonly kind: 'get'; readonly key: string };
export type KvOperation = Operation<KvInput, string>;

/** Of one key: the state is its value, '' where there is none. Keys have nothing to do with one another. */
export const kvModel: Model<string, KvInput, string> = {
  initial: '',
  step: (value, input, output) => ({
    ok: output === undefined || output === value,
    state: input.kind === 'get' ? value : valueAfter(value, input),
  }),
  key: (value) => value,
  partition: (operations) => {
    const byKey = new Map<string, KvOperation[]>();
    for (const operation of operations) {
      const same = byKey.get(operation.input.key);
      if (same === undefined) byKey.set(operation.input.key, [operation]);
      else same.push(operation);
    }
    return [...byKey.values()];
  },
};
