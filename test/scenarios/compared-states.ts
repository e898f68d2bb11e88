/** The states that coordinators logged, as they went along: at one index all must have had the same. Pure. */
export interface LoggedState {
  readonly index: number;
  readonly hash: string;
}

/** Of one log. */
export function statesIn(log: string): LoggedState[] {
  return log.split('\n').flatMap((line) => {
    if (!line.includes('"state_sha256"')) return [];
    const { index, state_sha256: hash } = JSON.parse(line) as { index: number; state_sha256: string };
    return [{ index, hash }];
  });
}

/** `compared`: indexes of which more than one state was logged. */
export function compareStates(states: readonly LoggedState[]): { compared: number; wrong: string[] } {
  const byIndex = new Map<number, string[]>();
  for (const { index, hash } of states) byIndex.set(index, [...(byIndex.get(index) ?? []), hash]);
  const several = [...byIndex].filter(([, hashes]) => hashes.length > 1);
  const wrong = several
    .filter(([, hashes]) => new Set(hashes).size > 1)
    .map(
      ([index, hashes]) =>
        `at index ${index} the coordinators had different states: ${[...new Set(hashes)].join(', ')}`,
    );
  return { compared: several.length, wrong };
}
