/**
 * The process of one contender: prepares, warms up, then takes one sample each time it is told to.
 *
 * CPU time is `process.cpuUsage`, which counts every thread of the process. Peak memory is the process's, its start and
 * its warm-up included, as whoever has to provide the memory sees it.
 */
import { invariant, ZkraftError } from '../../src/common/index.ts';
import { benchNamed } from '../registry.ts';
import type { Contender, ContenderOrder, FromContender, Sample, ToContender } from './contender.ts';

/** Shorter samples would measure the clock and the scheduler. */
const SAMPLE_MS = 60;
/** Operations run before any is timed, so that V8 has compiled with its best compiler what it will. */
const WARM_UP_OPERATIONS = 2;

const send = (message: FromContender): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });

async function timed(contender: Contender, sample: number, operations: number): Promise<Sample> {
  const cpuBefore = process.cpuUsage();
  const begunMs = performance.now();
  const foreign = await contender.run(sample, operations);
  const wallMs = performance.now() - begunMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuMs = foreign === undefined ? (user + system) / 1000 : foreign.cpuMs;
  return {
    wallMs: wallMs / operations,
    cpuMs: cpuMs === undefined ? undefined : cpuMs / operations,
    peakRssMb: foreign === undefined ? process.resourceUsage().maxRSS / 1024 : foreign.peakRssMb,
  };
}

/** Doubles the operations until a sample is long enough; what it runs meanwhile is the warm-up. */
async function calibrated(contender: Contender): Promise<number> {
  const grain = contender.grain ?? 1;
  for (let operations = grain; ; operations *= 2) {
    const { wallMs } = await timed(contender, 0, operations);
    const tookMs = wallMs * operations;
    if (tookMs >= SAMPLE_MS) return operations;
    if (tookMs >= SAMPLE_MS / 4) return Math.ceil((operations * SAMPLE_MS) / tookMs / grain) * grain;
  }
}

async function serve(order: ContenderOrder): Promise<void> {
  const bench = benchNamed(order.bench);
  const contender = await (await bench.contender(order.side))(order);
  const operations = contender.operations ?? (await calibrated(contender));
  // A foreign prover is a new process each time, which nothing warms.
  const warmUp = order.side === 'binary' ? WARM_UP_OPERATIONS : (bench.warmUp ?? WARM_UP_OPERATIONS);
  for (let done = 0; done < warmUp; done += operations) await timed(contender, done, operations);
  const { name, tier, standIn = false } = contender;
  await send({
    kind: 'ready',
    name,
    ...(tier === undefined ? {} : { tier }),
    standIn,
    node: process.versions.node,
    operations,
  });
  process.on('message', (message: ToContender) => {
    answer(contender, operations, message).catch(fail);
  });
}

async function answer(contender: Contender, operations: number, message: ToContender): Promise<void> {
  switch (message.kind) {
    case 'run':
      await send({ kind: 'sample', ...(await timed(contender, message.sample, operations)) });
      return;
    case 'result':
      await send({ kind: 'result', text: await contender.result?.() });
      return;
    case 'end':
      await contender.close();
      // snarkjs's threads would keep the process alive.
      process.exit(0);
  }
}

async function fail(thrown: unknown): Promise<void> {
  await send({ kind: 'failed', error: ZkraftError.from(thrown).toJSON() });
  process.exit(1);
}

// Whoever started this went away.
process.on('disconnect', () => process.exit(1));
try {
  const [, , order] = process.argv;
  invariant(order !== undefined, 'a contender is started with its order');
  await serve(JSON.parse(order) as ContenderOrder);
} catch (thrown) {
  await fail(thrown);
}
