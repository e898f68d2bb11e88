/**
 * Every process is restarted under load, one after the other, as an update of machines does: SIGTERM, its own end, a
 * start. No task fails, and no client is answered otherwise than "accepted" or "try again".
 *
 * Two kinds of clients. Those of two gateways, behind a balancer that tries the other when one does not take a connection:
 * they notice nothing while gateways restart. And those of a single gateway, with the SDK: nobody listens there for a
 * moment, which its retries outlast.
 */
import assert from 'node:assert/strict';
import { COORDINATORS, type PartName } from './parts.ts';
import type { Scenario, Stage } from './stage.ts';

const ROUNDS = { smoke: 1, full: 5 };
const EVERY_MS = { smoke: 250, full: 120 };
/** About ten seconds: a process that starts on a busy machine takes some. */
const RETRIES_MAX = 8;

async function run(stage: Stage): Promise<void> {
  const load = stage.steadyLoad(stage.times(EVERY_MS.smoke, EVERY_MS.full));
  const single = new SingleClient(stage);
  const tookMs = new Map<PartName, number[]>();
  for (let round = 0; round < stage.times(ROUNDS.smoke, ROUNDS.full); round += 1) {
    // The leader last, so that leadership moves once.
    const leader = await stage.leader();
    const coordinators = [...COORDINATORS.filter((name) => name !== leader), leader];
    for (const name of [...coordinators, 'gateway', 'gateway-2', 'worker-1', 'worker-2', 'postgres'] as const) {
      const part = stage.network.part(name);
      const begunMs = performance.now();
      await part.stop();
      await part.start();
      tookMs.set(name, [...(tookMs.get(name) ?? []), Math.round(performance.now() - begunMs)]);
      // As operators do: the next one only when this one is back.
      await stage.well();
    }
  }
  const sent = await single.end();
  const { ids, ...summary } = await stage.endLoad(load);
  const tasks = await stage.completed([...ids, ...sent]);
  const again = tasks.filter(({ attempt }) => attempt > 1).length;
  stage.say(`restarts, in ms: ${[...tookMs].map(([name, ms]) => `${name} ${ms.join(' ')}`).join(', ')}`);
  stage.say(
    `${tasks.length} tasks, ${again} of them tried again; ${JSON.stringify(summary)}; ${sent.length} by one SDK`,
  );
  assert.ok(sent.length > 0);
}

/** One task after the other, through the first gateway alone. */
class SingleClient {
  readonly #ids: string[] = [];
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(stage: Stage) {
    this.#running = this.#run(stage);
    // Told by `end`.
    this.#running.catch(() => {});
  }

  /** Rejects with the first error that the SDK gave up on. */
  async end(): Promise<readonly string[]> {
    this.#isOver = true;
    await this.#running;
    return this.#ids;
  }

  async #run(stage: Stage): Promise<void> {
    const client = stage.client(RETRIES_MAX);
    while (!this.#isOver) {
      const id = await stage.submit(client);
      this.#ids.push(id);
      await client.waitForTask(id, { timeoutMs: 60_000 });
    }
  }
}

export const rollingRestart: Scenario = { name: '10 rolling restart of all processes', run };
