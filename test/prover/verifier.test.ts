/** `zkraft/verifier` on this machine: through the door for browsers with kernels from the disk, and through Node's. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import { createProver, type Prover } from '../../src/prover/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import { createVerifier } from '../../src/prover/verifier/index.ts';
import { createVerifier as createNodeVerifier } from '../../src/prover/verifier/node.ts';
import type { ProofVerifier } from '../../src/prover/verifier/types.ts';
import { IS_FUSED } from '../support/kernels.ts';
import { type Claim, MUTATIONS } from '../support/mutated-proofs.ts';
import { type PackageServer, servePackage } from '../support/package-server.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { simulatedKey } from '../support/simulated-proofs.ts';

const random = new SeededRandom(83);
const { key, prove } = simulatedKey(random, 2);
const good: readonly Claim[] = Array.from({ length: 70 }, () =>
  prove(random, [random.bigintBelow(Fr.modulus), random.bigintBelow(Fr.modulus)]),
);
const [first, second] = good as [Claim, Claim];
const load = (file: string): Promise<Uint8Array> =>
  readFile(new URL(`../../src/prover/kernels/binaries/${file}`, import.meta.url));

type Verdict = boolean | Pick<ZkraftError, 'code' | 'message' | 'field'>;

async function verdict(
  verifier: Pick<Prover, 'verify'> | ProofVerifier,
  vkey: typeof key,
  claim: Claim,
): Promise<Verdict> {
  try {
    return await verifier.verify(vkey, claim.proof, claim.publicSignals);
  } catch (thrown) {
    assert.ok(thrown instanceof ZkraftError, `a ZkraftError was expected, not ${thrown}`);
    const { code, message, field } = thrown;
    return { code, message, field };
  }
}

const doors: readonly (readonly [string, () => Promise<ProofVerifier>])[] = [
  ['the door for Node', () => createNodeVerifier()],
  ['the door for browsers, by itself', () => createVerifier({ load })],
  ['the door for browsers, on integers', () => createVerifier({ load, kernel: 'int2' })],
];

describe('a verifier without threads', () => {
  let prover: Prover;
  let verifiers: readonly (readonly [string, ProofVerifier])[];
  before(async () => {
    prover = await createProver({ backend: 'wasm', threads: 0 });
    verifiers = await Promise.all(doors.map(async ([name, open]) => [name, await open()] as const));
  });
  after(async () => {
    await prover?.close();
    for (const [, verifier] of verifiers ?? []) verifier.close();
  });

  it('runs on the tier that the engine has, or the one that was asked for', () => {
    const tier = IS_FUSED ? 'fma2' : 'int2';
    assert.deepEqual(
      verifiers.map(([, verifier]) => verifier.tier),
      [tier, tier, 'int2'],
    );
  });

  it('says of every kind of damage what the prover says, in the same words', async () => {
    const damaged: (readonly [string, Claim])[] = Object.entries(MUTATIONS).map(([how, mutate]) => [
      how,
      mutate(first, random, second) as Claim,
    ]);
    let refused = 0;
    for (const [how, claim] of [['none', first] as const, ...damaged]) {
      const expected = await verdict(prover, key, claim);
      if (expected !== true) refused += 1;
      for (const [name, verifier] of verifiers) {
        assert.deepEqual(await verdict(verifier, key, claim), expected, `${how}, ${name}`);
      }
    }
    assert.ok(refused >= damaged.length - 1, `${refused} of ${damaged.length} were refused`);
  });

  it('refuses the keys that the prover refuses', async () => {
    const keys = [
      { ...key, vk_delta_2: key.vk_gamma_2 },
      { ...key, IC: key.IC.slice(1) },
      { ...key, protocol: 'plonk' },
    ] as (typeof key)[];
    for (const bad of keys) {
      const expected = await verdict(prover, bad, first);
      for (const [name, verifier] of verifiers) {
        assert.deepEqual(await verdict(verifier, bad, first), expected, name);
        for (const items of [[], [first]]) {
          await assert.rejects(verifier.verifyBatch(bad, items), { code: (expected as ZkraftError).code });
        }
      }
    }
  });

  it('names the bad members of a batch of more than one slice as the prover does', async () => {
    const damage = (i: number, how: string): Claim => MUTATIONS[how]?.(good[i] as Claim, random, first) as Claim;
    const bad: Readonly<Record<number, Claim>> = {
      3: damage(3, 'C negated'),
      63: damage(63, 'a signal beyond r'),
      66: damage(66, 'C of another'),
    };
    const items = good.map((claim, i) => bad[i] ?? claim);
    const shown = (found: Awaited<ReturnType<ProofVerifier['verifyBatch']>>) =>
      found.map(({ index, error, confirmed }) => [index, error?.code, error?.message, confirmed]);
    const expected = shown(await prover.verifyBatch(key, items));
    assert.deepEqual(
      expected.map(([index]) => index),
      [3, 63, 66],
    );
    for (const [name, verifier] of verifiers) {
      assert.deepEqual(shown(await verifier.verifyBatch(key, items)), expected, name);
      assert.deepEqual(await verifier.verifyBatch(key, []), []);
      assert.deepEqual(await verifier.verifyBatch(key, good), []);
    }
  });

  it('keeps verifying while its memory grows under many keys', async () => {
    const verifier = await createVerifier({ load });
    for (let i = 0; i < 40; i++) {
      const other = simulatedKey(random, 1);
      const claim = other.prove(random, [BigInt(i)]);
      assert.equal(await verifier.verify(other.key, claim.proof, claim.publicSignals), true);
    }
    assert.equal(await verifier.verify(key, first.proof, first.publicSignals), true);
    verifier.close();
  });

  it('answers nothing after it was closed', async () => {
    const verifier = await createVerifier({ load, kernel: 'int2' });
    const batch = verifier.verifyBatch(key, good);
    verifier.close();
    verifier.close();
    await assert.rejects(batch, isRefusal('shutting_down'));
    await assert.rejects(verifier.verify(key, first.proof, first.publicSignals), isRefusal('shutting_down'));
  });
});

describe('kernels for a browser', () => {
  let server: PackageServer;
  before(async () => {
    server = await servePackage('test/support/verifier-page.js', {
      '/pages/int2-memory.wasm': '<!doctype html><title>The front page, for whatever is asked</title>',
      '/large/int2-memory.wasm': 'x'.repeat(5 * 1024 * 1024),
    });
  });
  after(() => server?.close());
  const from = (folder: string) => createVerifier({ kernel: 'int2', kernelUrl: new URL(folder, server.url) });

  it('come from the folder that is named', async () => {
    const verifier = await from('elsewhere');
    assert.equal(await verifier.verify(key, first.proof, first.publicSignals), true);
    verifier.close();
  });

  it('are refused where there are none, with what to do', async () => {
    await assert.rejects(from('nowhere/'), isRefusal('backend_unavailable', /404.*kernelUrl/));
    await assert.rejects(from('pages/'), isRefusal('backend_unavailable', /no kernel module.*not WebAssembly/));
    await assert.rejects(from('large/'), isRefusal('backend_unavailable', /more than \d+ bytes/));
    await assert.rejects(
      createVerifier({ kernel: 'int2', kernelUrl: 'http://127.0.0.1:9/' }),
      isRefusal('backend_unavailable', /could not be had/),
    );
  });

  it('are refused when they are cut short, or give wrong answers', async () => {
    const cut = async (file: string) => (await load(file)).subarray(0, 100_000);
    await assert.rejects(createVerifier({ kernel: 'int2', load: cut }), isRefusal('backend_unavailable', /compile/));
    const wrong = async () => withWrongConstant(await load('int2-memory.wasm'));
    await assert.rejects(createVerifier({ kernel: 'int2', load: wrong }), isRefusal('backend_unavailable', /wrong/));
    const nothing = async () => undefined as unknown as Uint8Array;
    await assert.rejects(createVerifier({ kernel: 'int2', load: nothing }), isRefusal('backend_unavailable', /load/));
  });

  it('are those of integers where the fast ones cannot be had', {
    skip: IS_FUSED ? false : 'no fast ones here',
  }, async () => {
    const integers = async (file: string) => {
      if (file.startsWith('fma2')) throw new TypeError('the network is away');
      return await load(file);
    };
    const verifier = await createVerifier({ load: integers });
    assert.equal(verifier.tier, 'int2');
    assert.match(verifier.reasons.join('; '), /fma2: the network is away; int2-memory: known answers right/);
    assert.equal(await verifier.verify(key, first.proof, first.publicSignals), true);
    verifier.close();
    await assert.rejects(createVerifier({ load: integers, kernel: 'fma2' }), /the network is away/);
  });

  it('are of a tier that exists, and at an address', async () => {
    const fma4 = { kernel: 'fma4' as 'fma2' };
    for (const create of [createVerifier, createNodeVerifier]) {
      await assert.rejects(create(fma4), isRefusal('config_invalid', /kernel is "fma4"/));
      await assert.rejects(create({ kernelUrl: 'kernels' }), isRefusal('config_invalid', /kernelUrl/));
    }
  });
});

/** The last 128 bytes of a module are the digits of the exponents that invert: one bit of them another. */
function withWrongConstant(bytes: Uint8Array): Uint8Array {
  const wrong = bytes.slice();
  const at = wrong.length - 100;
  wrong[at] = (wrong[at] as number) ^ 1;
  return wrong;
}
