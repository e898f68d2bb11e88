/** A frame of `zkraft top` in lines for people. Pure; colours are words of `paint`. */
import type { Frame } from '../launch/index.ts';
import { table } from './text-table.ts';

export type Colour = 'bold' | 'dim' | 'green' | 'yellow' | 'red';
export type Paint = (colour: Colour, text: string) => string;

const WORKERS_SHOWN = 40;

export function topLines(frame: Frame, paint: Paint): string[] {
  const { queue, throughput, capacity, workers } = frame;
  const problems = [...frame.coordinators, ...frame.gateways].flatMap(({ url, health, problems: said }) =>
    health === 'away' ? [`${url} does not answer`] : said.map((problem) => `${url}: ${problem}`),
  );
  const head = (text: string): string => paint('bold', text);
  return [
    `${head('zkraft')}  ${frame.at}  leader ${frame.leader ?? paint('red', 'none')}  database ${verdict(frame.database, paint)}`,
    '',
    `${head('queue')}       ${shown(queue.pending)} pending (as last counted), ${shown(queue.leased)} leased, ${shown(queue.verifying)} being verified, ${shown(queue.outbox)} to be written; wait ${seconds(queue.wait_s)}; workers wanted ${shown(queue.workers_wanted)}`,
    `${head('throughput')}  ${shown(throughput.completed_per_s)} completed/s, ${shown(throughput.submitted_per_s)} submitted/s, ${shown(throughput.leased_per_s)} leased/s, ${shown(throughput.failed_per_s)} failed/s, ${shown(throughput.retried_per_s)} retried/s; a task takes ${seconds(throughput.task_s)}`,
    `${head('capacity')}    ${shown(capacity.used)} of ${shown(capacity.total)} slots in use; workers: ${shown(workers.active)} active, ${shown(workers.suspect)} suspect, ${shown(workers.dead)} dead`,
    '',
    ...painted(
      ['COORDINATOR', 'STATE', 'TERM', 'APPLIED', 'LAG', 'WORKERS', 'SLOTS', 'HEALTH', 'ADDRESS'],
      frame.coordinators.map((one) => [
        one.id ?? '-',
        one.state ?? '-',
        shown(one.term),
        shown(one.applied_index),
        shown(one.lag_entries),
        shown(one.workers),
        `${shown(one.capacity_used)}/${shown(one.capacity_total)}`,
        one.health,
        one.url,
      ]),
      paint,
    ),
    ...(frame.peers.length === 0
      ? []
      : [`peers lack   ${frame.peers.map(({ node, lag_entries }) => `${node} ${lag_entries}`).join(', ')} entries`]),
    '',
    ...(frame.gateways.length === 0
      ? []
      : [
          ...painted(
            ['GATEWAY', 'HEALTH', 'REQUESTS/S'],
            frame.gateways.map((one) => [one.url, one.health, shown(one.requests_per_s)]),
            paint,
          ),
          '',
        ]),
    ...(workers.list.length === 0
      ? []
      : painted(
          ['WORKER', 'STATE', 'LOAD', 'TASKS/S', 'HEALTH', 'VERSION', 'HOST', 'GETS NO TASKS BECAUSE'],
          workers.list
            .slice(0, WORKERS_SHOWN)
            .map((one) => [
              one.id,
              one.state ?? '-',
              `${shown(one.used)}/${shown(one.slots)}`,
              shown(one.tasks_per_s),
              one.health ?? '-',
              one.version ?? '-',
              one.host ?? '-',
              one.refused_because,
            ]),
          paint,
        )),
    ...(workers.list.length > WORKERS_SHOWN ? [`and ${workers.list.length - WORKERS_SHOWN} more workers`] : []),
    ...(workers.problem === null
      ? []
      : [paint('yellow', `the leader's list of workers is missing: ${workers.problem}`)]),
    ...problems.map((problem) => paint('red', problem)),
  ];
}

/** Words that a row may have as a cell, and how they look. */
const COLOURS: Readonly<Record<string, Colour>> = {
  ok: 'green',
  active: 'green',
  Leader: 'green',
  unhealthy: 'yellow',
  suspect: 'yellow',
  Candidate: 'yellow',
  away: 'red',
  dead: 'red',
};

/** Coloured once the columns stand: an escape has no width. */
function painted(head: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  const [first = '', ...lines] = table(head, rows);
  return [
    paint('dim', first),
    ...lines.map((line) =>
      line.replaceAll(/(?<=^|\s)(ok|active|Leader|unhealthy|suspect|Candidate|away|dead)(?=\s|$)/g, (word) =>
        paint(COLOURS[word] ?? 'dim', word),
      ),
    ),
  ];
}

const verdict = (database: Frame['database'], paint: Paint): string =>
  paint(database === 'ok' ? 'green' : database === 'away' ? 'red' : 'yellow', database);
const shown = (value: number | null): string => (value === null ? '-' : String(value));
const seconds = (value: number | null): string => (value === null ? '-' : `${value} s`);
