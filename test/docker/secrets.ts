/** Makes secrets as the README says, in a folder of their own. Needs dist/, as `npm test` builds it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../support/cli.ts';

export function makeSecrets(folder: string): string {
  const script = join(ROOT, 'docker/make-secrets.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`make-secrets.mjs ended with ${status}: ${stderr}`);
  return stdout;
}

/** The environment of a container with each path in it at its place on this machine; `places`: there, to here. */
export function relocated(
  env: Readonly<Record<string, string>>,
  places: ReadonlyMap<string, string>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, places.get(value) ?? value]));
}
