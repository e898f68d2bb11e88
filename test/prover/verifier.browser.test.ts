/** `zkraft/verifier`, as built, in a real browser, from a static server that sends no header for it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { createProver } from '../../src/prover/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import type { VerifierOptions, VerifierTier } from '../../src/prover/verifier/index.ts';
import { launchBrowser, skipWithoutBrowser } from '../support/chromium.ts';
import { ROOT } from '../support/cli.ts';
import { makeMerkleKeys } from '../support/merkle-circuits.ts';
import { type Claim, MUTATIONS } from '../support/mutated-proofs.ts';
import { type PackageServer, servePackage } from '../support/package-server.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const GUIDE = 'docs/guides/verify-in-a-browser.md';
const DEPTH = 3;
const BATCH = 8;
const BAD = [2, 5] as const;

/** What verifier-page.js answers. */
interface PageAnswer {
  readonly tier: VerifierTier;
  readonly reasons: readonly string[];
  readonly answers: Readonly<Record<string, boolean | string>>;
  readonly bad: readonly { readonly index: number; readonly code: string | null; readonly confirmed: boolean }[];
  readonly isIsolated: boolean;
  readonly loadMs: number;
  readonly firstMs: number;
  /** Ascending. */
  readonly verifyMs: readonly number[];
}

/** Real proofs of a real circuit; two of the batch are damaged, one so that it is malformed. */
async function makeClaims() {
  const keys = await makeMerkleKeys(DEPTH);
  const prover = await createProver({ threads: 1 });
  try {
    const circuit = keys.circuits.get(DEPTH);
    assert.ok(circuit);
    const leaves = Array.from({ length: BATCH }, (_, i) => BigInt(100 + i));
    const batch: Claim[] = [];
    for (let leafIndex = 0; leafIndex < BATCH; leafIndex++) {
      const statement = { leaves, leafIndex, depth: DEPTH, externalHash: BigInt(leafIndex) };
      const { proof, publicSignals } = await prover.proveMerkle(circuit, statement);
      batch.push({ proof, publicSignals });
    }
    const [good, other] = batch as [Claim, Claim];
    const random = new SeededRandom(5);
    const damage = (how: string, claim: Claim): Claim => MUTATIONS[how]?.(claim, random, other) as Claim;
    const beyond = (BigInt(good.publicSignals[1] as string) + Fr.modulus).toString();
    return {
      key: circuit.verificationKey,
      good,
      mutated: damage('C of another', good),
      beyond: { proof: good.proof, publicSignals: [good.publicSignals[0], beyond] },
      batch: batch.map((claim, i) =>
        i === BAD[0] ? damage('A negated', claim) : i === BAD[1] ? damage('A.x + q', claim) : claim,
      ),
    };
  } finally {
    await prover.close();
    await keys.remove();
  }
}

describe('the verifier in a browser', { skip: skipWithoutBrowser, timeout: 240_000 }, () => {
  let browser: Browser;
  let server: PackageServer;
  let page: Page;
  let claims: Awaited<ReturnType<typeof makeClaims>>;
  const complaints: string[] = [];

  before(async () => {
    browser = await launchBrowser();
    claims = await makeClaims();
    const { key, good } = claims;
    server = await servePackage('test/support/verifier-page.js', {
      '/guide': /^```html\n(.*?)^```$/ms.exec(readFileSync(join(ROOT, GUIDE), 'utf8'))?.[1] ?? 'no page in the guide',
      '/verification_key.json': JSON.stringify(key),
      '/proof.json': JSON.stringify(good.proof),
      '/public.json': JSON.stringify(good.publicSignals),
    });
    page = await browser.newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url)) complaints.push(`asks for ${request.url()}`);
    });
    await page.goto(server.url);
    await page.waitForFunction('typeof verifyAll === "function"', undefined, { timeout: 30_000 });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const ask = async (t: TestContext, where: 'verifyAll' | 'verifyAllInWorker', options: VerifierOptions) => {
    const asked = JSON.stringify({ ...claims, options });
    const answer = (await page.evaluate(`${where}(${asked})`)) as PageAnswer;
    assert.deepEqual(answer.answers, {
      good: true,
      mutated: false,
      beyond: 'public_signals_malformed',
      trap: 'key_refused',
      closed: 'shutting_down',
    });
    assert.deepEqual(answer.bad, [
      { index: BAD[0], code: null, confirmed: true },
      { index: BAD[1], code: 'proof_malformed', confirmed: true },
    ]);
    assert.equal(answer.isIsolated, false, 'the page has no shared memory to lean on');
    assert.deepEqual(
      complaints.filter((text) => !/favicon|404/.test(text)),
      [],
    );
    const { tier, loadMs, firstMs, verifyMs } = answer;
    const [least, median] = [verifyMs[0], verifyMs[verifyMs.length >> 1]] as [number, number];
    t.diagnostic(
      `${where} in Chromium ${browser.version()}, ${tier}: one verification ${median.toFixed(2)} ms (least ${least.toFixed(2)}); loaded in ${loadMs.toFixed(0)} ms, first under a key ${firstMs.toFixed(0)} ms`,
    );
    return answer;
  };

  it('says what the one in Node says, on the tier that it picks, of which it fetches one file', async (t) => {
    const { tier, reasons } = await ask(t, 'verifyAll', {});
    const kernels = server.asked.filter((path) => path.endsWith('.wasm'));
    if (tier === 'fma2') assert.deepEqual(kernels, ['/dist/prover/kernels/binaries/fma2-memory.wasm']);
    // A processor without fused multiply-add, or an older browser.
    else assert.match(reasons.join(), /relaxed SIMD is not|not fused/);
  });

  it('says the same on the integer tier', async (t) => {
    assert.equal((await ask(t, 'verifyAll', { kernel: 'int2' })).tier, 'int2');
  });

  it('says the same in a worker, with kernels from another folder', async (t) => {
    await ask(t, 'verifyAllInWorker', { kernel: 'int2', kernelUrl: '/elsewhere' });
    assert.equal(server.asked.filter((path) => path === '/elsewhere/int2-memory.wasm').length, 1);
  });

  it('is what the page of the guide shows', async () => {
    const shown = await browser.newPage();
    await shown.goto(`${server.url}guide`);
    await shown.locator('output').filter({ hasText: 'verified' }).waitFor({ timeout: 30_000 });
    await shown.close();
  });
});
