/**
 * `npm run test:traps`: puts each known trap back and demands that its test goes red.
 *
 * test/traps/traps.json names for each trap a patch, a test file, a test and what that test must say. The tree is copied
 * into scratch folders; there each named test must be green as the tree is, and red with the patch, by its own failure
 * and not by a file that does not load. `npm run test:traps -- WORD` runs the traps whose id, test or patch contains
 * WORD; `--verbose` shows what each test said. Exits 1 when a trap stays green or a patch no longer applies.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, requireNode } from './bootstrap.mjs';

const LANES = 2;
/** Of one run, a process with all that it started. */
const RUN_LIMIT_MS = 180_000;
/** How a test fails by itself, and not because its hooks or its file do; `says` tells whether it is the trap. */
const OWN_FAILURES = ['testCodeFailure', 'uncaughtException', 'unhandledRejection'];
const TRAPS = join(ROOT, 'test/traps');

const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const verbose = process.argv.includes('--verbose');
const say = (line) => process.stdout.write(`${line}\n`);

requireNode();
// It installs nothing: where the packages are a link, that would empty what others use.
if (!existsSync(join(ROOT, 'node_modules/tsx'))) {
  process.stderr.write('The packages are not installed: npm ci\n');
  process.exit(1);
}
const { traps: all } = JSON.parse(readFileSync(join(TRAPS, 'traps.json'), 'utf8'));
const traps = all.filter(
  ({ id, test, patch }) => words.length === 0 || words.some((word) => [id, test, patch].some((x) => x.includes(word))),
);
if (traps.length === 0) {
  process.stderr.write(`No trap matches ${words.join(', ')}.\n`);
  process.exit(2);
}

const running = new Set();
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'zkraft-traps-')));
const kill = (child) => {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
};
process.on('exit', () => {
  for (const child of running) kill(child);
  rmSync(scratch, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

const beganMs = performance.now();
const lanes = Array.from({ length: Math.min(LANES, traps.length) }, (_, i) => copyTree(join(scratch, `tree-${i}`)));

const greenByFile = new Map();
for (const { test, name } of traps) greenByFile.set(test, (greenByFile.get(test) ?? new Set()).add(name));
const notGreen = new Map();
await inLanes([...greenByFile], async (tree, [test, names]) => {
  const run = await runTests(tree, test, [...names]);
  for (const name of names) {
    const verdict = judgeGreen(run, name);
    if (verdict !== undefined) notGreen.set(`${test} ${name}`, verdict);
  }
});

const results = new Map();
await inLanes(traps, async (tree, trap) => {
  const startedMs = performance.now();
  const verdict = notGreen.get(`${trap.test} ${trap.name}`) ?? (await putBack(tree, trap));
  results.set(trap.id, verdict);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  say(`${verdict.red ? 'red   ' : 'WRONG '} ${seconds.padStart(5)} s  ${trap.id.padEnd(34)} ${trap.test}`);
  if (!verdict.red || verbose) say(indent(`${verdict.what}\n${verdict.text ?? ''}`));
});

const wrong = traps.filter(({ id }) => !results.get(id).red);
const seconds = Math.round((performance.now() - beganMs) / 1_000);
say('');
say(
  wrong.length === 0
    ? `${traps.length} traps put back, each caught by its test, in ${seconds} s.`
    : `${wrong.length} of ${traps.length} traps are not caught: ${wrong.map(({ id }) => id).join(', ')} (${seconds} s).`,
);
process.exit(wrong.length === 0 ? 0 : 1);

/** The tracked files and new ones that are not ignored, with the packages linked. */
function copyTree(tree) {
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (listed.status !== 0) throw new Error(`git ls-files failed: ${listed.stderr || listed.error?.message}`);
  for (const path of new Set(listed.stdout.split('\0').filter((name) => name !== ''))) {
    const from = join(ROOT, path);
    if (!existsSync(from) || !lstatSync(from).isFile()) continue;
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    copyFileSync(from, join(tree, path));
  }
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(tree, 'node_modules'));
  return tree;
}

async function inLanes(items, work) {
  const queue = [...items];
  const lane = async (tree) => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(tree, item);
  };
  await Promise.all(lanes.map(lane));
}

async function putBack(tree, trap) {
  const patch = join(TRAPS, trap.patch);
  const touched = [...readFileSync(patch, 'utf8').matchAll(/^\+\+\+ b\/(\S+)/gm)].map((match) => match[1]);
  const applied = spawnSync('git', ['apply', patch], {
    cwd: tree,
    encoding: 'utf8',
    env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(tree) },
  });
  try {
    if (applied.status !== 0) return { red: false, what: 'the patch no longer applies', text: applied.stderr };
    return judgeRed(await runTests(tree, trap.test, [trap.name]), trap);
  } finally {
    for (const path of touched) copyFileSync(join(ROOT, path), join(tree, path));
  }
}

function judgeGreen({ ended, output, late }, name) {
  const test = ended.find((one) => one.name === name && !one.skipped);
  if (test?.passed) return undefined;
  if (test !== undefined) return { red: false, what: 'its test is red without the patch too', text: test.text };
  if (late) return { red: false, what: 'its test did not end, without the patch', text: output };
  return { red: false, what: `no test of this name ran: ${name}`, text: output };
}

function judgeRed({ ended, output, late }, { name, says }) {
  const tests = ended.filter((one) => one.name === name && !one.skipped);
  const failed = tests.find((one) => !one.passed);
  if (failed === undefined) {
    if (tests.length > 0) return { red: false, what: 'its test STAYS GREEN with the trap put back' };
    return { red: false, what: late ? 'the run did not end' : 'its file crashed before the test ran', text: output };
  }
  const { text, failureType } = failed;
  if (!OWN_FAILURES.includes(failureType)) {
    return { red: false, what: `its test failed for another reason: ${failureType}`, text };
  }
  if (!new RegExp(says).test(text)) return { red: false, what: `its test failed, but did not say /${says}/`, text };
  return { red: true, what: 'its test said', text };
}

/** Runs the named tests of one file; never rejects. */
function runTests(tree, file, names) {
  const patterns = names.map((name) => `--test-name-pattern=${name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}`);
  const reporter = ['--test-reporter', './scripts/trap-reporter.mjs', '--test-reporter-destination', 'stdout'];
  const args = ['--import', 'tsx', '--test', ...reporter, ...patterns, file];
  const env = { ...process.env };
  // Set where this runs under node:test itself.
  delete env.NODE_TEST_CONTEXT;
  const child = spawn(process.execPath, args, { cwd: tree, detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  let lines = '';
  child.stdout.on('data', (chunk) => {
    lines += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output = `${output}${chunk}`.slice(-4_000);
  });
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill(child);
    }, RUN_LIMIT_MS);
    const done = () => {
      clearTimeout(timer);
      // What a test that failed left running in its group.
      kill(child);
      running.delete(child);
      resolve({ ended: lines.split('\n').flatMap(parseLine), output, late });
    };
    child.on('error', (error) => {
      output += error.message;
      done();
    });
    child.on('close', done);
  });
}

function parseLine(line) {
  try {
    const one = JSON.parse(line);
    return typeof one?.name === 'string' ? [one] : [];
  } catch {
    return [];
  }
}

function indent(text) {
  const lines = text.trim().split('\n');
  return lines
    .slice(0, verbose ? 12 : 30)
    .map((line) => `        ${line}`)
    .join('\n');
}
