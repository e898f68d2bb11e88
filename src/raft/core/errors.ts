/**
 * What the core throws. Both mean that the process must not go on with this core.
 *
 * A proposal that is refused or a message from a stranger is no error but an outcome (`outcomes.ts`).
 */

/**
 * Something that Raft rules out has happened: durable state was lost, storage answered wrongly, or the host broke one
 * of its duties. Stop the process; state in memory and on disk may disagree.
 */
export class RaftInvariantError extends Error {
  override readonly name = 'RaftInvariantError';
}

/** The options given to the core, or a configuration change that was committed, cannot be. */
export class RaftConfigError extends Error {
  override readonly name = 'RaftConfigError';
}

export function invariant(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new RaftInvariantError(text());
}
