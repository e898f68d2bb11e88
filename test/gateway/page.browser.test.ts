import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launchBrowser, skipWithoutBrowser } from '../support/chromium.ts';
import { startDev } from '../support/cli.ts';

describe('the gateway page in a browser', () => {
  it('submits an example and shows its proof', { skip: skipWithoutBrowser }, async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'zkraft-page-'));
    const browser = await launchBrowser();
    const network = await startDev(dataDir);
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
