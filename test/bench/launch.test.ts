import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContenderOrder, Sample, Side } from '../../bench/harness/contender.ts';
import { measureCase, type StartPlayer } from '../../bench/harness/launch.ts';
import { resultOf } from '../../bench/harness/report.ts';
import { reportLines } from '../../bench/index.ts';

const order = (side: Side): ContenderOrder => ({ bench: 'prove', side, params: { depth: 2 }, threads: 1 });

interface Script {
  readonly wallMs?: (launch: number, run: number) => number;
  readonly result?: string;
  readonly dies?: boolean;
}

/** Players that do nothing but write down when they were called. */
function stage(scripts: Partial<Record<Side, Script>> = {}): { said: string[]; start: StartPlayer } {
  const said: string[] = [];
  const launches = new Map<Side, number>();
  const start: StartPlayer = async ({ side }) => {
    const launch = launches.get(side) ?? 0;
    launches.set(side, launch + 1);
    said.push(`start ${side}`);
    let ended = false;
    return {
      ready: { name: side, standIn: false, node: '20.0.0', operations: 1 },
      sample: async (run): Promise<Sample> => {
        said.push(`${side} ${run}`);
        if (scripts[side]?.dies) throw new Error(`${side} died`);
        return { wallMs: scripts[side]?.wallMs?.(launch, run) ?? 1, cpuMs: 2, peakRssMb: 3 };
      },
      result: async () => scripts[side]?.result,
      end: async () => {
        ended = true;
        said.push(`end ${side}`);
      },
      kill: () => {
        if (!ended) said.push(`kill ${side}`);
      },
    };
  };
  return { said, start };
}

describe('a case', () => {
  it('lets ours and the baseline take turns, in fresh processes for each launch', async () => {
    const { said, start } = stage();
    await measureCase({ orders: [order('ours'), order('baseline')], launches: 2, runs: 2, node: 'node' }, start);
    const launch = ['start ours', 'start baseline', 'ours 0', 'baseline 0', 'ours 1', 'baseline 1'];
    const ends = ['end ours', 'end baseline'];
    assert.deepEqual(said, [...launch, ...ends, ...launch, ...ends]);
  });

  it('has a third side take its turn last', async () => {
    const { said, start } = stage();
    const orders = [order('ours'), order('baseline'), order('binary')];
    await measureCase({ orders, launches: 1, runs: 2, node: 'node' }, start);
    assert.deepEqual(
      said.filter((line) => /\d/.test(line)),
      ['ours 0', 'baseline 0', 'binary 0', 'ours 1', 'baseline 1', 'binary 1'],
    );
  });

  it('keeps every sample of every launch, and says how far it is', async () => {
    const { start } = stage({ ours: { wallMs: (launch, run) => 10 * launch + run } });
    const fractions: number[] = [];
    const sides = await measureCase(
      {
        orders: [order('ours'), order('baseline')],
        launches: 2,
        runs: 2,
        node: 'node',
        onRound: (fraction) => fractions.push(fraction),
      },
      start,
    );
    assert.deepEqual(
      sides[0]?.samples.map((s) => s.wallMs),
      [0, 1, 10, 11],
    );
    assert.deepEqual(fractions, [0.25, 0.5, 0.75, 1]);
  });

  it('gives no figure when the sides do not compute the same', async () => {
    const { said, start } = stage({ ours: { result: '7' }, baseline: { result: '8' } });
    await assert.rejects(
      measureCase({ orders: [order('ours'), order('baseline')], launches: 1, runs: 3, node: 'node' }, start),
      { code: 'bench_failed', message: /ours 7, baseline 8/ },
    );
    assert.deepEqual(said.slice(-2), ['kill ours', 'kill baseline']);
  });

  it('leaves no process behind when one side dies', async () => {
    const { said, start } = stage({ baseline: { dies: true } });
    await assert.rejects(
      measureCase({ orders: [order('ours'), order('baseline')], launches: 1, runs: 1, node: 'node' }, start),
      /baseline died/,
    );
    assert.deepEqual(said.slice(-2), ['kill ours', 'kill baseline']);
  });
});

describe('a result', () => {
  const label = { bench: 'prove', params: { depth: 2 }, launches: 1, runs: 3, perSecond: false };
  const side = (name: Side, samples: readonly Sample[], standIn = false) => ({
    side: name,
    ready: { name, standIn, node: '20.0.0', operations: 1 },
    samples,
  });
  const samples = (walls: readonly number[], cpuMs: number | undefined): Sample[] =>
    walls.map((wallMs, i) => ({ wallMs, cpuMs, peakRssMb: 100 + i }));

  it('has the ratio of the medians, the baseline over ours', () => {
    const result = resultOf(label, [
      side('ours', samples([90, 100, 500], 50)),
      side('baseline', samples([800, 900, 9000], 200)),
    ]);
    assert.equal(result.ours.wall_ms, 100);
    assert.equal(result.baseline.wall_ms, 900);
    assert.equal(result.ratio_wall, 9);
    assert.equal(result.ratio_cpu, 4);
    assert.deepEqual(result.ours.spread.wall_ms, { min: 90, q1: 95, q3: 300, max: 500 });
    assert.equal(result.ours.peak_rss_mb, 102);
    assert.equal(result.binary, undefined);
  });

  it('has the binary beside them, its CPU time null where the system does not tell', () => {
    const sides = [
      side('ours', samples([100], 50)),
      side('baseline', samples([900], 200)),
      side('binary', samples([150], undefined)),
    ];
    const { binary } = resultOf(label, sides);
    assert.equal(binary?.ratio_wall, 1.5);
    assert.equal(binary?.cpu_ms, null);
    assert.equal(binary?.ratio_cpu, null);
  });

  it('says how many a second where that is the question, and when ours is a stand-in', () => {
    const result = resultOf({ ...label, perSecond: true }, [
      side('ours', samples([50], 50), true),
      side('baseline', samples([100], 50)),
    ]);
    assert.equal(result.ours.per_s, 20);
    assert.equal(result.ours.stand_in, true);
    assert.ok(!('stand_in' in result.baseline));
  });

  it('is told to people with its spread and its ratios', () => {
    const sides = [
      side('ours', samples([90, 100, 110], 50)),
      side('baseline', samples([800, 900, 1200], 200)),
      side('binary', samples([150], undefined)),
    ];
    const machine = { cpu: 'CPU', cores: 2, memory_gb: 8, platform: 'linux-x64' };
    const lines = reportLines({ machine, node: '20.0.0', tier: 'fma', results: [resultOf(label, sides)] });
    assert.deepEqual(lines, [
      'CPU, 2 cores, linux-x64, Node 20.0.0, kernels: fma',
      '',
      'prove, depth 2  (medians of 1 x 3 samples)',
      '  ours       100 ms [90 ms - 110 ms]  CPU 50 ms  102 MB  (ours)',
      '  baseline   900 ms [800 ms - 1.2 s]  CPU 200 ms  102 MB  (baseline)',
      '  binary     150 ms [150 ms - 150 ms]  CPU unknown  100 MB  (binary)',
      '  baseline takes 9.00 times as long as ours, 4.00 times the CPU time',
      '  binary takes 1.50 times as long as ours',
    ]);
  });

  it('claims no ratio while the baseline stands in for ours', () => {
    const sides = [side('ours', samples([50], 50), true), side('baseline', samples([100], 50))];
    const machine = { cpu: 'CPU', cores: 2, memory_gb: 8, platform: 'linux-x64' };
    const lines = reportLines({ machine, node: '20.0.0', tier: 'none', results: [resultOf(label, sides)] });
    assert.match(lines.at(-1) ?? '', /no ratio/);
  });
});
