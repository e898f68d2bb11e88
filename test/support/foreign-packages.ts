/**
 * Circuits of other projects, with the keys of their own ceremonies, as their npm packages carry them.
 *
 * They are no dependencies: they would bring an old snarkjs and more with them, and are tens of megabytes. A test asks
 * npm for a package by name and exact version, compares its SHA-512, and keeps what it needs under node_modules/.cache.
 * All are under the MIT licence; nothing of them is in this repository.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface ForeignPackage {
  readonly name: string;
  readonly version: string;
  /** Base64, of the tarball. */
  readonly sha512: string;
}

export const UNIREP: ForeignPackage = {
  name: '@unirep/circuits',
  version: '2.0.0',
  sha512: 'j4XfP389hVSFv1fRgZEBCj0wG4xBodhkjcNT81uQG4+VWWRk9vmRhRcUQZl7JX6lvcvYo/irXOQ+4NeCwlv0zw==',
};
export const HYDRA_S1: ForeignPackage = {
  name: '@sismo-core/hydra-s1',
  version: '1.0.7',
  sha512: 'zdUY3vETU7EdbEjGvcbLvLN2Hfrr1EMmeBiByo2Z6i0Ksk8WcI1nqUu0Z863akA+DWtOuDIEv9hZF89xzhS4lQ==',
};
export const HYDRA_S2: ForeignPackage = {
  name: '@sismo-core/hydra-s2',
  version: '1.0.0',
  sha512: 'fnBrGazUvKxBSr+Wr2IEZILHpz3aN8G0ZvwVpahFNvls7YuEwFS0JupeV03aogGFQtonjtFvRZAEX4BuEO+kYw==',
};
export const HYDRA_S3: ForeignPackage = {
  name: '@sismo-core/hydra-s3',
  version: '1.0.3',
  sha512: 'cdg76l4SxunSCXswykrwRDbeK0u/Ut2Luu0VT/4uQvH9XIr1DLJupqjYTbP35olK24DCHr6WKsyJAaPXmQQiow==',
};

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/zkraft-foreign-keys', import.meta.url));
const FETCH_TIMEOUT_MS = 120_000;

/** The registry could not be asked. */
export class OutOfReach extends Error {
  override readonly name = 'OutOfReach';
}

/**
 * The folder with the package's files. Rejects with `OutOfReach` when there is no way to get it; a tarball that is
 * another than the one pinned is an error, and so is a package without the files.
 */
export async function foreignPackage({ name, version, sha512 }: ForeignPackage): Promise<string> {
  const home = join(CACHE, `${name.replaceAll(/[@/]+/g, '-').slice(1)}-${version}`);
  const folder = join(home, 'package');
  if ((await readdir(folder).catch(() => [])).length > 0) return folder;
  await mkdir(CACHE, { recursive: true });
  const fresh = await mkdtemp(join(CACHE, 'fetching-'));
  try {
    await npmPack(`${name}@${version}`, fresh);
    const [tarball] = await readdir(fresh);
    if (tarball === undefined) throw new OutOfReach(`npm pack brought no ${name}`);
    const found = createHash('sha512')
      .update(await readFile(join(fresh, tarball)))
      .digest('base64');
    if (found !== sha512) throw new Error(`${name}@${version} has the SHA-512 ${found}, not ${sha512}`);
    await promisify(execFile)('tar', ['-xzf', tarball], { cwd: fresh });
    await rm(join(fresh, tarball));
    await rename(fresh, home);
    return folder;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function npmPack(what: string, into: string): Promise<void> {
  const args = ['pack', what, '--ignore-scripts', '--loglevel=error', '--fetch-retries=1', '--pack-destination', into];
  try {
    await promisify(execFile)('npm', args, { cwd: into, timeout: FETCH_TIMEOUT_MS });
  } catch (cause) {
    // A registry that answers, and has it no more: that is news.
    if (/E404|ETARGET|ENOVERSIONS/.test(String((cause as { stderr?: unknown }).stderr))) throw cause;
    throw new OutOfReach(`npm pack ${what} failed`, { cause });
  }
}
