/** The browser for tests that need one, and when they may do without. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
const isDemanded = process.env.CI === 'true';

/** For a test's `skip`: why there is no browser, or false. CI must have one, so there the test fails instead. */
export const skipWithoutBrowser =
  executablePath || isDemanded ? false : 'no Chromium here; install one or name it in CHROMIUM';

export async function launchBrowser(): Promise<Browser> {
  if (!executablePath) throw new Error('CI must have a browser: apt-get install chromium');
  return await chromium.launch({
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
}
