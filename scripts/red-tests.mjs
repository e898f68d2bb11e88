/**
 * Shows of patches that put a mistake back that a named test goes red by it: what `npm run test:traps` and
 * `npm run test:mutants` share.
 *
 * The tree is copied into scratch folders, one a lane; there each named test must be green as the tree is, and red with
 * its patch, by its own failure and not by a file that does not load.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, requireNode } from './bootstrap.mjs';
import { applyPatch, atTheEnd, copyTree, scratchFolder } from './scratch-tree.mjs';

const LANES = 2;
/** Of one run, a process with all that it started. */
const RUN_LIMIT_MS = 180_000;
/** How a test fails by itself, and not because its hooks or its file do; `says` tells whether it is the mistake. */
const OWN_FAILURES = ['testCodeFailure', 'uncaughtException', 'unhandledRejection'];

const say = (line) => process.stdout.write(`${line}\n`);
const refuse = (line, code) => {
  process.stderr.write(`${line}\n`);
  process.exit(code);
};

/**
 * Ends the process: 0 when each test of `all` went red, 1 when one stayed green or a patch no longer applies, 2 when the
 * words of the command line fit none. `kind` is what one of `all` is called: `trap`. Each has an `id`, a `patch` in
 * `folder`, a `test` file, the `name` of a test in it, and a pattern of what that `says` when it is red.
 */
export async function demandRed(kind, folder, all) {
  const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
  const verbose = process.argv.includes('--verbose');
  requireNode();
  // It installs nothing: where the packages are a link, that would empty what others use.
  if (!existsSync(join(ROOT, 'node_modules/tsx'))) refuse('The packages are not installed: npm ci', 1);
  const chosen = all.filter(
    ({ id, test, patch }) =>
      words.length === 0 || words.some((word) => [id, test, patch].some((x) => x.includes(word))),
  );
  if (chosen.length === 0) refuse(`No ${kind} matches ${words.join(', ')}.`, 2);

  const beganMs = performance.now();
  const scratch = scratchFolder(`${kind}s`);
  const lanes = Array.from({ length: Math.min(LANES, chosen.length) }, (_, i) =>
    copyTree(join(scratch.folder, `tree-${i}`)),
  );
  const notGreen = await runGreen(lanes, chosen);

  const results = new Map();
  await inLanes(lanes, chosen, async (tree, one) => {
    const startedMs = performance.now();
    const verdict = notGreen.get(`${one.test} ${one.name}`) ?? (await putBack(tree, join(folder, one.patch), one));
    results.set(one.id, verdict);
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    say(`${verdict.red ? 'red   ' : 'WRONG '} ${seconds.padStart(5)} s  ${one.id.padEnd(36)} ${one.test}`);
    if (!verdict.red || verbose) say(indent(`${verdict.what}\n${verdict.text ?? ''}`, verbose ? 12 : 30));
  });

  const wrong = chosen.filter(({ id }) => !results.get(id).red);
  const seconds = Math.round((performance.now() - beganMs) / 1_000);
  say('');
  say(
    wrong.length === 0
      ? `${chosen.length} ${kind}s put back, each caught by its test, in ${seconds} s.`
      : `${wrong.length} of ${chosen.length} ${kind}s are not caught: ${wrong.map(({ id }) => id).join(', ')} (${seconds} s).`,
  );
  process.exit(wrong.length === 0 ? 0 : 1);
}

/** By `file name`: what is wrong with tests that are not green without any patch. */
async function runGreen(lanes, chosen) {
  const namesByFile = new Map();
  for (const { test, name } of chosen) namesByFile.set(test, (namesByFile.get(test) ?? new Set()).add(name));
  const notGreen = new Map();
  await inLanes(lanes, [...namesByFile], async (tree, [test, names]) => {
    const run = await runTests(tree, test, [...names]);
    for (const name of names) {
      const verdict = judgeGreen(run, name);
      if (verdict !== undefined) notGreen.set(`${test} ${name}`, verdict);
    }
  });
  return notGreen;
}

async function inLanes(lanes, items, work) {
  const queue = [...items];
  const lane = async (tree) => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(tree, item);
  };
  await Promise.all(lanes.map(lane));
}

async function putBack(tree, patch, one) {
  const { refused, restore } = applyPatch(tree, patch);
  try {
    if (refused !== undefined) return { red: false, what: 'the patch no longer applies', text: refused };
    return judgeRed(await runTests(tree, one.test, [one.name]), one);
  } finally {
    restore();
  }
}

function judgeGreen({ ended, output, late }, name) {
  const tests = ended.filter((one) => one.name === name && !one.skipped);
  const failed = tests.find((one) => !one.passed);
  if (failed !== undefined) return { red: false, what: 'its test is red without the patch too', text: failed.text };
  if (tests.length > 0) return undefined;
  if (late) return { red: false, what: 'its test did not end, without the patch', text: output };
  return { red: false, what: `no test of this name ran: ${name}`, text: output };
}

function judgeRed({ ended, output, late }, { name, says }) {
  const tests = ended.filter((one) => one.name === name && !one.skipped);
  const failed = tests.find((one) => !one.passed);
  if (failed === undefined) {
    if (tests.length > 0) return { red: false, what: 'its test STAYS GREEN with the patch' };
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
  const kill = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  const callOff = atTheEnd(kill);
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
      kill();
    }, RUN_LIMIT_MS);
    const done = () => {
      clearTimeout(timer);
      // What a test that failed left running in its group.
      kill();
      callOff();
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

function indent(text, linesMax) {
  const lines = text.trim().split('\n');
  return lines
    .slice(0, linesMax)
    .map((line) => `        ${line}`)
    .join('\n');
}
