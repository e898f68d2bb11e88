/** What a chaos run came to, for people: a table of the faults, the counts, and what is wrong. */
import type { ChaosResult } from './chaos.ts';
import { FAULT_KINDS } from './fault-plan.ts';
import type { Strike } from './fault-strikes.ts';
import { PART_NAMES } from './parts.ts';

/** Faults that met proofs in flight. */
export const withProofsInFlight = (strikes: readonly Strike[]): number =>
  strikes.filter(({ inFlight }) => (inFlight ?? 0) > 0).length;

export function reportLines(result: ChaosResult): string[] {
  const { seed, tasks, strikes, load, accounts, startsRepeated, faultsLogged, statesCompared, durationMs } = result;
  const retries = Object.entries(accounts.retries).sort(([a], [b]) => a.localeCompare(b));
  const retriesAll = retries.reduce((sum, [, count]) => sum + count, 0);
  const overlapping = strikes.filter(({ fault }) => fault.overlaps).length;
  return [
    ...faultTable(strikes),
    '',
    `seed                   ${seed}`,
    `faults                 ${strikes.length}, ${withProofsInFlight(strikes)} with proofs in flight, ${overlapping} during another`,
    `tasks                  ${tasks} asked for, ${accounts.completed} completed, ${accounts.verified} proofs verified`,
    `submits                ${load.tries} requests: ${load.unanswered} without an answer, ${load.refused} told to try again, ${load.sentTwice} sent twice on purpose`,
    `waits                  ${load.waitedFor} tasks waited for with long-polls`,
    `attempts               ${accounts.completed + retriesAll}, at most ${accounts.attemptsMost} of one task; tried again: ${retriesAll}`,
    ...retries.map(([code, count]) => `                       ${count} ${code}`),
    `states                 at ${statesCompared} indexes several coordinators told of theirs`,
    `starts tried again     ${startsRepeated}`,
    `duration               ${Math.round(durationMs / 1_000)} s`,
    `wrong                  ${accounts.wrong.length + faultsLogged.length === 0 ? 'nothing' : ''}`,
    ...[...accounts.wrong, ...faultsLogged].map((line) => `  ${line}`),
  ];
}

/** All of it in one line. */
export function summaryLine(result: ChaosResult): string {
  const { seed, tasks, strikes, accounts, faultsLogged, statesCompared, durationMs } = result;
  const wrong = accounts.wrong.length + faultsLogged.length;
  const perMinute = (strikes.length * 60_000) / durationMs;
  return (
    `chaos: seed ${seed}, ${strikes.length} faults (${perMinute.toFixed(1)} a minute), ${tasks} tasks, ` +
    `${accounts.completed} completed, ${accounts.verified} proofs verified, ${statesCompared} states compared, ` +
    `${wrong === 0 ? 'nothing wrong' : `${wrong} things wrong`}`
  );
}

/** Rows: parts; columns: kinds; cells: faults, and how many of them met proofs in flight. */
function faultTable(strikes: readonly Strike[]): string[] {
  const cell = (of: readonly Strike[]): string => `${of.length} (${withProofsInFlight(of)})`.padStart(10);
  const row = (name: string, cells: readonly string[]): string => `${name.padEnd(14)}${cells.join('')}`;
  return [
    row(
      'faults',
      [...FAULT_KINDS, 'all'].map((kind) => kind.padStart(10)),
    ),
    ...PART_NAMES.map((part) => {
      const here = strikes.filter(({ fault }) => fault.part === part);
      return row(part, [
        ...FAULT_KINDS.map((kind) => cell(here.filter(({ fault }) => fault.kind === kind))),
        cell(here),
      ]);
    }),
    row('all', [...FAULT_KINDS.map((kind) => cell(strikes.filter(({ fault }) => fault.kind === kind))), cell(strikes)]),
    '(in parentheses: with proofs in flight)',
  ];
}
