import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openDirectoryArtifacts } from '../../src/prover/index.ts';
import { zkraft } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'zkraft-cli-'));
const at = (name: string): string => join(folder, name);
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(at(name), content);
  return at(name);
};
const data = ['--data-dir', at('data')];
const R = '21888242871839275222246405745257275088548364400416034343698204186575808495617';

interface ProofJson {
  pi_a: string[];
  pi_b: string[][];
  pi_c: string[];
  protocol: string;
  curve: string;
}

describe('zkraft prove and verify', () => {
  let proof: ProofJson;
  let signals: string[];
  let zkey: Uint8Array;
  let wasm: Uint8Array;
  let input: Record<string, unknown>;

  before(async () => {
    file('leaves.txt', '# three members\n11\n0x16\n33\n');
    const run = await zkraft([
      'prove',
      '--leaves',
      at('leaves.txt'),
      '--index',
      '1',
      '--depth',
      '2',
      '--external-hash',
      '7',
      '--out',
      at('out'),
      ...data,
      '--json',
    ]);
    assert.equal(run.code, 0, run.stderr + run.stdout);
    assert.equal(run.json().circuit_id, 'merkle-2');
    proof = JSON.parse(readFileSync(at('out/proof.json'), 'utf8')) as ProofJson;
    signals = JSON.parse(readFileSync(at('out/public.json'), 'utf8')) as string[];
    const store = await openDirectoryArtifacts(at('data/artifacts'));
    const circuit = await store.circuits.find('merkle-2');
    assert.ok(circuit);
    zkey = await store.blobs.get(circuit.manifest.files.zkey.digest);
    wasm = await store.blobs.get(circuit.manifest.files.wasm.digest);
    file('c.zkey', zkey);
    file('c.wasm', wasm);
    // The one-leaf tree of depth 2: every sibling is a hash of zeros, which the proof of a Merkle task found out too.
    const zero1 = '14744269619966411208579211824598458697587494354926760081771325075741142829156';
    input = { leaf: '5', siblings: ['0', zero1], pathBits: ['0', '0'], externalHash: '0', root: '' };
    input.root = await rootOf('5');
    file('input.json', JSON.stringify(input));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** The root of the one-leaf tree, from the public signals of its proof. */
  async function rootOf(leaf: string): Promise<string> {
    file('one.json', JSON.stringify([leaf]));
    const run = await zkraft([
      'prove',
      '--leaves',
      at('one.json'),
      '--index',
      '0',
      '--depth',
      '2',
      '--out',
      at('one'),
      ...data,
    ]);
    assert.equal(run.code, 0, run.stderr);
    return (JSON.parse(readFileSync(at('one/public.json'), 'utf8')) as string[])[0] as string;
  }

  const verifyArgs = (files: { vkey?: string; proof?: string; public?: string } = {}): string[] => [
    'verify',
    '--vkey',
    files.vkey ?? at('out/verification_key.json'),
    '--proof',
    files.proof ?? at('out/proof.json'),
    '--public',
    files.public ?? at('out/public.json'),
    '--json',
  ];
  const proveArgs = (files: { zkey?: string; wasm?: string; input?: string } = {}): string[] => [
    'prove',
    '--zkey',
    files.zkey ?? at('c.zkey'),
    '--wasm',
    files.wasm ?? at('c.wasm'),
    '--input',
    files.input ?? at('input.json'),
    '--out',
    at('generic'),
    '--json',
  ];

  it('proves a leaf of a file, bound to a hash, and verifies the files it wrote', async () => {
    assert.equal(signals.length, 2);
    assert.equal(signals[1], '7');
    const run = await zkraft(verifyArgs());
    assert.equal(run.code, 0, run.stdout);
    assert.deepEqual(run.json(), { success: true, valid: true });
  });

  it('proves any circom circuit from its key, its witness program and its inputs', async () => {
    const run = await zkraft(proveArgs());
    assert.equal(run.code, 0, run.stdout + run.stderr);
    assert.equal((run.json().public_signals as string[])[0], input.root);
    const check = await zkraft(
      verifyArgs({
        vkey: at('generic/verification_key.json'),
        proof: at('generic/proof.json'),
        public: at('generic/public.json'),
      }),
    );
    assert.equal(check.code, 0, check.stdout);
  });

  it('says no, with exit code 3, to a proof of something else', async () => {
    const run = await zkraft(verifyArgs({ public: file('other.json', JSON.stringify(['1', signals[1]])) }));
    assert.equal(run.code, 3);
    assert.deepEqual(run.json(), { success: true, valid: false });
    const swapped = await zkraft(
      verifyArgs({ proof: file('swapped.json', JSON.stringify({ ...proof, pi_a: proof.pi_c, pi_c: proof.pi_a })) }),
    );
    assert.equal(swapped.code, 3);
  });

  it('answers malformed files with their documented codes', async () => {
    const json = (name: string, value: unknown): string => file(name, JSON.stringify(value));
    const mutated = zkey.slice();
    mutated.set(new Uint8Array(64).fill(0xff), mutated.length - 4096);
    mkdirSync(at('folder'), { recursive: true });
    file('huge.json', '[');
    truncateSync(at('huge.json'), 80 * 1024 * 1024);
    const merkle = (leaves: string, index = '0', ...more: string[]): string[] => [
      'prove',
      '--leaves',
      leaves,
      '--index',
      index,
      '--out',
      at('x'),
      ...data,
      '--json',
      ...more,
    ];
    const cases: readonly (readonly [string, string[], string, number])[] = [
      ['a proof that is not JSON', verifyArgs({ proof: file('p1', 'hello') }), 'file_invalid', 2],
      ['an empty proof file', verifyArgs({ proof: file('p2', '') }), 'file_invalid', 2],
      ['a proof that is not there', verifyArgs({ proof: at('absent') }), 'file_not_found', 2],
      ['a proof that is a folder', verifyArgs({ proof: at('folder') }), 'file_invalid', 2],
      ['a proof of the wrong type', verifyArgs({ proof: json('p3', [1, 2]) }), 'proof_malformed', 2],
      [
        'a proof beyond the curve',
        verifyArgs({ proof: json('p4', { ...proof, pi_a: ['1', '3', '1'] }) }),
        'proof_malformed',
        2,
      ],
      [
        'a hex coordinate',
        verifyArgs({ proof: json('p5', { ...proof, pi_a: ['0x1', '2', '1'] }) }),
        'proof_malformed',
        2,
      ],
      ['another protocol', verifyArgs({ proof: json('p6', { ...proof, protocol: 'plonk' }) }), 'proof_malformed', 2],
      ['a huge file', verifyArgs({ proof: at('huge.json') }), 'file_invalid', 2],
      ['too few signals', verifyArgs({ public: json('s1', signals.slice(1)) }), 'public_signals_malformed', 2],
      ['too many signals', verifyArgs({ public: json('s2', [...signals, '0']) }), 'public_signals_malformed', 2],
      ['a signal at r', verifyArgs({ public: json('s3', [R, signals[1]]) }), 'public_signals_malformed', 2],
      ['numbers as signals', verifyArgs({ public: json('s4', [1, 2]) }), 'public_signals_malformed', 2],
      ['an empty key', verifyArgs({ vkey: json('v1', {}) }), 'vkey_invalid', 2],
      ['a proof as the key', verifyArgs({ vkey: at('out/proof.json') }), 'vkey_invalid', 2],
      ['a zkey that is text', proveArgs({ zkey: file('z1', 'zkey') }), 'zkey_invalid', 2],
      ['an empty zkey', proveArgs({ zkey: file('z2', '') }), 'zkey_invalid', 2],
      ['a truncated zkey', proveArgs({ zkey: file('z3', zkey.subarray(0, zkey.length >> 1)) }), 'zkey_invalid', 2],
      ['a zkey whose points were changed', proveArgs({ zkey: file('z4', mutated) }), 'key_refused', 2],
      [
        'a truncated witness program',
        proveArgs({ wasm: file('w1', wasm.subarray(0, wasm.length >> 1)) }),
        'circuit_wasm_invalid',
        2,
      ],
      [
        'a witness program that is another module',
        proveArgs({ wasm: file('w2', Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)) }),
        'circuit_wasm_invalid',
        2,
      ],
      ['inputs that are a list', proveArgs({ input: json('i1', []) }), 'invalid_input', 2],
      ['an unknown input', proveArgs({ input: json('i2', { ...input, extra: '1' }) }), 'invalid_input', 2],
      ['a missing input', proveArgs({ input: json('i3', { ...input, leaf: undefined }) }), 'invalid_input', 2],
      ['too short an array', proveArgs({ input: json('i4', { ...input, siblings: ['0'] }) }), 'invalid_input', 2],
      ['an input at r', proveArgs({ input: json('i5', { ...input, leaf: R }) }), 'invalid_input', 2],
      ['a leaf of zero', proveArgs({ input: json('i6', { ...input, leaf: '0' }) }), 'unsatisfied_constraint', 2],
      [
        'a wrong sibling',
        proveArgs({ input: json('i7', { ...input, siblings: ['1', '2'] }) }),
        'unsatisfied_constraint',
        2,
      ],
      ['leaves that are not there', merkle(at('absent')), 'file_not_found', 2],
      ['leaves as numbers', merkle(json('l1', [1, 2])), 'invalid_leaf', 2],
      ['a leaf of zero in a file', merkle(json('l2', ['1', '0'])), 'invalid_leaf', 2],
      ['a leaf at r', merkle(json('l3', [R])), 'invalid_leaf', 2],
      ['no leaves', merkle(json('l4', [])), 'invalid_leaves', 2],
      [
        'too many leaves',
        merkle(
          json(
            'l5',
            Array.from({ length: 1001 }, (_, i) => String(i + 1)),
          ),
        ),
        'invalid_leaves',
        2,
      ],
      ['an index beyond the leaves', merkle(json('l6', ['1']), '1'), 'invalid_leaf_index', 2],
      ['a depth that is too small', merkle(json('l7', ['1', '2', '3']), '0', '--depth', '1'), 'invalid_depth', 2],
      ['a depth of 33', merkle(at('l6'), '0', '--depth', '33'), 'invalid_depth', 2],
      ['an external hash at r', merkle(at('l6'), '0', '--external-hash', R), 'invalid_external_hash', 2],
      ['a backend that cannot run', [...proveArgs(), '--backend', 'webgpu'], 'backend_unavailable', 4],
      ['a timeout of nonsense', [...proveArgs(), '--timeout', 'soon'], 'invalid_request', 2],
      ['an unknown flag', ['prove', '--jsno', '--json'], 'usage', 2],
      ['no command', ['--json'], 'usage', 2],
      [
        'a gateway that is not there',
        ['submit', '--url', 'http://127.0.0.1:1', '--leaves', at('l6'), '--index', '0', '--timeout', '1s', '--json'],
        'gateway_unavailable',
        4,
      ],
    ];
    const wrong: string[] = [];
    for (const [what, args, code, exit] of cases) {
      const run = await zkraft(args);
      const got = /"code": "([a-z0-9_]+)"/.exec(run.stdout)?.[1];
      if (got !== code || run.code !== exit || /\bat .*\.js:\d+/.test(run.stderr)) {
        wrong.push(
          `${what}: expected ${code} and exit ${exit}, got ${got} and ${run.code}\n${run.stdout}${run.stderr}`,
        );
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(cases.length >= 40);
  });

  it('keeps standard output to JSON, and progress off it', async () => {
    const run = await zkraft(['info', ...data, '--json']);
    assert.equal(run.code, 0, run.stderr);
    assert.equal((run.json().circuits as unknown[]).length, 1);
    assert.equal(run.stderr, '');
    const text = await zkraft(['info', ...data]);
    assert.match(text.stdout, /merkle-2 {2}single-party/);
  });
});
