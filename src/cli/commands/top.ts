/** `zkraft top`: how a whole cluster stands, live. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import { parseDurationMs, ZkraftError } from '../../common/index.ts';
import { run } from '../run.ts';
import { settingsOf } from '../settings-flags.ts';

interface Args {
  readonly json: boolean;
  readonly once: boolean;
  readonly interval: string;
  readonly coordinator?: readonly string[];
  readonly gateway?: readonly string[];
  readonly worker?: readonly string[];
  readonly dir?: string;
  readonly 'coordinator-admin-token'?: string;
}

const INTERVAL_MS_MIN = 200;
const INTERVAL_MS_MAX = 3_600_000;
const LIST_MS = 3_000;

const urls = (describe: string) => ({ type: 'string', array: true, requiresArg: true, describe }) as const;

export const top: CommandModule<object, Args> = {
  command: 'top',
  describe: 'Shows live how coordinators, queue, workers, gateways and database stand',
  builder: (yargs) =>
    yargs
      .option('coordinator', urls('HTTP port of a coordinator, http://host:8090; once for each'))
      .option('gateway', urls('A gateway, http://host:8080; once for each'))
      .option('worker', urls('HTTP port of a worker, http://host:9464, for its speed; once for each'))
      .option('dir', {
        type: 'string',
        requiresArg: true,
        describe: 'Folder of a zkraft cluster up, instead of addresses',
      })
      .option('interval', {
        type: 'string',
        requiresArg: true,
        default: '2s',
        describe: 'How long from frame to frame',
      })
      .option('once', {
        type: 'boolean',
        default: false,
        describe: 'One frame; speeds are those of the interval before it',
      })
      .option('coordinator-admin-token', {
        type: 'string',
        requiresArg: true,
        describe:
          'Admin token, for the list of workers; else COORDINATOR_ADMIN_TOKEN. Not needed on its machine. With TLS set WORKER_TLS_CA_FILE, as for workers',
      })
      .option('config', { type: 'string', requiresArg: true, describe: 'YAML file with settings' })
      .option('json', { type: 'boolean', default: false, describe: 'One JSON object a frame' })
      .example('$0 top', 'Coordinator and gateway of this machine, as the settings say')
      .example('$0 top --dir ./.zkraft-cluster', 'The cluster that zkraft cluster up keeps there')
      .example('$0 top --coordinator c1:8090 --coordinator c2:8090 --gateway gw:8080', 'Those')
      .example('$0 top --once --json', 'For a script'),
  handler: (argv) =>
    run(argv.json, async ({ terminal, signal }) => {
      const intervalMs = intervalOf(argv.interval);
      const { askRound, frameOf, topTargets } = await import('../../launch/index.ts');
      const { listWorkers } = await import('../admin-calls.ts');
      const { Screen } = await import('../screen.ts');
      const { topLines } = await import('../top-lines.ts');
      const { config: file, 'coordinator-admin-token': token } = argv as unknown as Record<string, string | undefined>;
      const settings = settingsOf({
        config: file,
        ...(token === undefined ? {} : { 'coordinator-admin-token': token }),
      });
      const { coordinator = [], gateway = [], worker = [], dir } = argv;
      const targets = topTargets({ coordinators: coordinator, gateways: gateway, workers: worker, dir }, settings);
      const { adminToken, credentials } = targets;
      const over = AbortSignal.any([signal, outputClosed()]);
      const list = (address: string) => listWorkers({ address, token: adminToken, credentials, deadlineMs: LIST_MS });
      const ask = () => askRound(targets, list, over);
      const screen = terminal.json ? undefined : new Screen(process.stdout, !argv.once);
      try {
        let before: Awaited<ReturnType<typeof ask>> | undefined;
        for (let frames = 0; !over.aborted; ) {
          const begunMs = performance.now();
          const now = await ask();
          if (over.aborted) break;
          // One frame alone has speeds too.
          if (!argv.once || before !== undefined) {
            const frame = frameOf(now, before);
            if (screen === undefined) terminal.event({ ...frame }, []);
            else screen.show(topLines(frame, screen.paint));
            frames += 1;
          }
          if (argv.once && frames > 0) break;
          before = now;
          const restMs = Math.max(0, intervalMs - (performance.now() - begunMs));
          await sleep(restMs, undefined, { signal: over }).catch(() => {});
        }
      } finally {
        screen?.close();
      }
      return 0;
    }),
};

function intervalOf(text: string): number {
  const intervalMs = parseDurationMs(text, 'interval');
  if (intervalMs >= INTERVAL_MS_MIN && intervalMs <= INTERVAL_MS_MAX) return intervalMs;
  throw new ZkraftError(
    'usage',
    `--interval is ${text}; give ${INTERVAL_MS_MIN}ms to ${INTERVAL_MS_MAX / 3_600_000}h`,
    {
      field: 'interval',
    },
  );
}

/** Aborted when whoever reads us stops reading, as `| head` does. */
function outputClosed(): AbortSignal {
  const closed = new AbortController();
  process.stdout.once('error', () => closed.abort());
  return closed.signal;
}
