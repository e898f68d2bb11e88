import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseScript } from './datadriven.ts';
import { interactionScript } from './interaction-script.ts';
import { quorumScript } from './quorum-script.ts';
import { findScripts, replay, replayFile, withoutProse } from './replay.ts';

describe('a script of etcd’s', () => {
  it('is directives with arguments, input and expected output', () => {
    const [first, second, third, ...none] = parseScript(
      [
        '# A comment.',
        'add-nodes 3 voters=(1, 2,3) \\',
        '  index=10 empty=()',
        '----',
        'one',
        'two',
        '',
        'propose-conf-change 1',
        'v1 l2',
        '----',
        '----',
        'with an',
        '',
        'empty line',
        '----',
        '----',
        '',
        'status 1',
        '----',
      ].join('\n'),
    );
    assert.deepEqual(first, {
      line: 2,
      command: 'add-nodes',
      args: [
        { key: '3', values: [] },
        { key: 'voters', values: ['1', '2', '3'] },
        { key: 'index', values: ['10'] },
        { key: 'empty', values: [] },
      ],
      input: '',
      expected: 'one\ntwo',
    });
    assert.deepEqual([second?.input, second?.expected], ['v1 l2', 'with an\n\nempty line']);
    assert.deepEqual([third?.command, third?.expected, none], ['status', '', []]);
  });

  it('without an end is an error that names the line', () => {
    assert.throws(() => parseScript('\ncampaign 1\n'), /line 2: no ---- after "campaign 1"/);
    assert.throws(() => parseScript('campaign 1\n----\n----\nx\n'), /line 1: the output has no end/);
  });
});

describe('log prose', () => {
  it('is taken out, at any depth, and nothing else is', () => {
    const output =
      '> 1 handling Ready\n  INFO 1 became follower at term 1\n  Ready MustSync=true:\nDEBUG x\n  INFORMED\n';
    assert.equal(withoutProse(output), '> 1 handling Ready\n  Ready MustSync=true:\n  INFORMED');
    assert.equal(withoutProse('ok'), '');
    assert.equal(withoutProse('WARN only\n'), '');
  });
});

const SCRIPT = `
add-nodes 1 voters=(1) index=3 content=foo
----
INFO 1 switched to configuration voters=(1)

campaign 1
----
INFO 1 is starting a new election at term 0

stabilize
----
> 1 handling Ready
  Ready MustSync=true:
  Lead:0 State:StateCandidate
  HardState Term:1 Vote:1 Commit:3
  INFO 1 became leader at term 1
> 1 handling Ready
  Ready MustSync=true:
  Lead:1 State:StateLeader
  Entries:
  1/4 EntryNormal ""
> 1 handling Ready
  Ready MustSync=false:
  HardState Term:1 Vote:1 Commit:4
  CommittedEntries:
  1/4 EntryNormal ""

propose 1 "x\\y"
----
ok

raft-state
----
1: StateLeader (Voter) Term:1 Lead:1

status 1
----
1: StateReplicate match=4 next=5

compact 1 3
----
requested index is unavailable due to compaction

log-level none
----
ok

stabilize
----
ok

log-level nonsense
----
log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]

log-level debug
----
ok

raft-log 1
----
1/4 EntryNormal ""
1/5 EntryNormal "\\"x\\\\y\\""

propose-conf-change 1 v1=true transition=explicit
v2
----
v1 conf change can only have one operation and no transition

propose-conf-change 1
x2
----
unknown input: x2

process-append-thread 1
----
no append work to perform

deliver-msgs 1 type=MsgApp drop=(2)
----
no messages

fly-to-the-moon
----
unknown command
`;

describe('replaying', () => {
  it('finds nothing where all is as it says', () => {
    assert.equal(replay(SCRIPT, interactionScript(0)), undefined);
  });

  it('finds every line that is otherwise: each, changed or left out, is noticed', () => {
    const lines = SCRIPT.split('\n');
    const expected = lines
      .map((line, i) => ({ line, i }))
      .filter(({ line }) => /^ {2}(?!INFO)|^> |^\d: State|^\d\/\d|^no |^requested|^unknown/.test(line));
    assert.ok(expected.length > 20, `${expected.length} lines`);
    for (const { line, i } of expected) {
      for (const other of [[`${line}!`], []]) {
        const changed = [...lines.slice(0, i), ...other, ...lines.slice(i + 1)].join('\n');
        assert.notEqual(replay(changed, interactionScript(0)), undefined, `${i}: ${line} -> ${other}`);
      }
    }
  });

  it('takes a throw for a difference', () => {
    const mismatch = replay('campaign 7\n----\nok\n', interactionScript(0));
    assert.match(mismatch?.actual ?? '', /there is no node 7/);
  });

  it('tells of a quorum’s answer that is not the script’s', () => {
    const script =
      'committed cfg=(1,2,3) idx=(12,5,_)\n----\n       idx\nxx>     12    (id=1)\nx>       5    (id=2)\n?        0    (id=3)\n';
    assert.equal(replay(`${script}5\n`, quorumScript()), undefined);
    assert.notEqual(replay(`${script}12\n`, quorumScript()), undefined);
    const wrong =
      'vote cfg=(1,2) votes=(y)\n----\nerror: mismatched input (explicit or _) for voters map[1:{} 2:{}]: [2]\n';
    assert.equal(replay(wrong, quorumScript()), undefined);
  });

  it('reads all folders that are there, in a checkout or a part of one', () => {
    const root = mkdtempSync(join(tmpdir(), 'zkraft-traces-'));
    try {
      assert.deepEqual(findScripts(root), []);
      for (const folder of ['testdata', 'confchange/testdata', 'quorum'])
        mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(join(root, 'testdata/one.txt'), SCRIPT);
      writeFileSync(join(root, 'testdata/notes.md'), 'no script');
      writeFileSync(
        join(root, 'confchange/testdata/two.txt'),
        'simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=2\n',
      );
      writeFileSync(join(root, 'quorum/three.txt'), 'vote cfg=(1) votes=(y)\n----\nVoteWon\n');
      const found = findScripts(root);
      assert.deepEqual(
        found.map(({ name }) => name),
        ['testdata/one.txt', 'quorum/three.txt', 'confchange/testdata/two.txt'],
      );
      const results = found.map((script) => Object.keys(script.ways).map((way) => replayFile(script, way)?.line));
      assert.deepEqual(results, [[undefined, undefined, undefined], [undefined], [1]]);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
