/**
 * 5. No bootstrap: nobody may begin the cluster, so nobody does. Each process runs, says what is missing and is not ready;
 * told to begin, the first one does, once, and whoever is told to begin later, with or without its disk, begins nothing.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Network } from './network.ts';
import { COORDINATORS } from './parts.ts';
import { type Scenario, Stage } from './stage.ts';

const NOBODY = { 'coordinator-raft-bootstrap': 'false' };
const ELECTION_TIMEOUTS = 2;
const LIMIT_MS = 30_000;

async function run(stage: Stage): Promise<void> {
  const accident = new AbortController();
  const network = await Stage.network(accident, { coordinators: NOBODY });
  try {
    await network.startCoordinators();
    await scene(stage, network);
    for (const name of COORDINATORS) await network.part(name).stop();
    assert.deepEqual(network.faultsLogged(), []);
    accident.signal.throwIfAborted();
  } finally {
    await network.endAll();
    await network.remove();
  }
}

async function scene(stage: Stage, network: Network): Promise<void> {
  await sleep(ELECTION_TIMEOUTS * 1_000);
  for (const name of COORDINATORS) {
    const answer = await fetch(`${network.coordinatorUrl(name)}/ready`);
    const { ready, problems } = (await answer.json()) as {
      ready: boolean;
      problems: { code: string; message: string }[];
    };
    assert.deepEqual([answer.status, ready, problems[0]?.code], [503, false, 'no_leader'], name);
    assert.match(problems[0]?.message ?? '', /in no cluster yet.*coordinator\.raft\.bootstrap.*zkraft raft add-peer/);
    assert.equal((await fetch(`${network.coordinatorUrl(name)}/livez`)).status, 200, 'a restart would not mend it');
  }
  assert.deepEqual(
    (await network.health()).map((one) => one?.raft.state),
    ['Follower', 'Follower', 'Follower'],
  );
  const claimed = await network.query('SELECT * FROM cluster');
  assert.deepEqual(claimed, [], 'nobody took the database');

  // The remedy that it names.
  await network.part('coordinator-1').stop();
  network.setUp('coordinator-1', { 'coordinator-raft-bootstrap': 'true' });
  await network.part('coordinator-1').start();
  await network.untilFormed();
  const [first] = await network.query<{ cluster_id: string }>('SELECT cluster_id FROM cluster');

  // It begins nothing a second time: not with its log, and not without it.
  for (const loses of [false, true]) {
    await network.part('coordinator-1').stop();
    if (loses) await rm(join(network.dir, 'coordinator-1'), { recursive: true });
    await network.part('coordinator-1').start();
    await stage.until(
      'the others lead',
      async () => {
        const states = (await network.health()).map((one) => one?.raft);
        return states.slice(1).some((raft) => raft?.is_leader === true) && states[0] !== undefined;
      },
      LIMIT_MS,
      network,
    );
    await sleep(ELECTION_TIMEOUTS * 500);
  }
  const begun = COORDINATORS.flatMap((name) => beginnings(network, name));
  assert.deepEqual(begun, ['coordinator-1'], 'one cluster was begun, once');
  assert.deepEqual(await network.query('SELECT cluster_id FROM cluster'), [first]);
  const lost = (await network.health())[0];
  assert.notEqual(lost?.raft.state, 'Leader');
  assert.match(lost?.problems?.[0]?.message ?? '', /in no cluster yet/, 'the one without its disk says what to do');
}

const beginnings = (network: Network, name: (typeof COORDINATORS)[number]): string[] =>
  network
    .log(name)
    .split('\n')
    .flatMap((line) => (line.includes('"began a new cluster"') ? [name] : []));

export const noBootstrap: Scenario = { name: '5 no bootstrap', run };
