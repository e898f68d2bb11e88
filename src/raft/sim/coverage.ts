/** What a run came by, so that a search which never meets a case is seen to be blind for it. */
export const COVERED = [
  'commits',
  'leaderChanges',
  'proposalsUnknown',
  'commandsRepeated',
  'reads',
  'truncations',
  'snapshotsMade',
  'snapshotsInstalled',
  'logsReplaced',
  'compactions',
  'memberChanges',
  'jointChanges',
  'peersRefused',
  'transfers',
  'crashes',
  'deathsTold',
  'restartsInAppend',
  'tornTails',
  'powerCuts',
  'syncStalls',
  'syncErrors',
  'pauses',
  'disksLost',
  'partitions',
  'oneWayCuts',
  'messagesLost',
  'messagesDoubled',
  'messagesOvertaken',
] as const;

export type Covered = (typeof COVERED)[number];

export class Coverage {
  readonly #counts = new Map<Covered, number>(COVERED.map((what) => [what, 0]));

  add(what: Covered, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  count(what: Covered): number {
    return this.#counts.get(what) ?? 0;
  }

  merge(counts: Readonly<Record<Covered, number>>): void {
    for (const what of COVERED) this.add(what, counts[what]);
  }

  /** What never happened. */
  missing(): readonly Covered[] {
    return COVERED.filter((what) => this.count(what) === 0);
  }

  toJSON(): Record<Covered, number> {
    return Object.fromEntries(COVERED.map((what) => [what, this.count(what)])) as Record<Covered, number>;
  }

  /** Of faults alone. */
  get faults(): number {
    const faults: readonly Covered[] = [
      'crashes',
      'powerCuts',
      'syncStalls',
      'syncErrors',
      'pauses',
      'disksLost',
      'partitions',
      'oneWayCuts',
    ];
    return faults.reduce((sum, what) => sum + this.count(what), 0);
  }
}
