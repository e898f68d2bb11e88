import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { startDev } from '../support/cli.ts';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
const isDemanded = process.env.CI === 'true';

describe('the gateway page in a browser', () => {
  it('submits an example and shows its proof', {
    skip: executablePath || isDemanded ? false : 'no Chromium here; install one or name it in CHROMIUM',
  }, async () => {
    assert.ok(executablePath, 'CI must have a browser: apt-get install chromium');
    const dataDir = mkdtempSync(join(tmpdir(), 'zkraft-page-'));
    const network = await startDev(dataDir);
    const browser = await chromium.launch({
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('request', (request) => {
        if (!request.url().startsWith(network.gatewayUrl)) complaints.push(`asks for ${request.url()}`);
      });
      const answer = await page.goto(network.gatewayUrl);
      assert.equal(answer?.status(), 200);
      assert.match(await page.title(), /zkraft/);
      await page.getByRole('button', { name: 'Submit an example' }).click();
      await page.getByRole('status').filter({ hasText: 'completed' }).waitFor({ timeout: 60_000 });
      assert.match((await page.locator('#answer').textContent()) ?? '', /pi_a/);
      assert.deepEqual(
        complaints.filter((text) => !/favicon/.test(text)),
        [],
      );
    } finally {
      await browser.close();
      await network.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
