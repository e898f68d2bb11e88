/**
 * Certificates as files in one folder: `ca.crt`, `ca.key`, and for each node `NAME.crt`, `NAME.key`. Keys are the
 * owner's alone (0600), also for a moment.
 *
 * What is there is never written over unless that was asked for; then the new file takes the old one's place in one step,
 * so that whoever reads sees one or the other.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, ZkraftError } from '../common/index.ts';
import { type CertificatePair, issueCertificate, makeAuthority, type Validity } from './certificate.ts';
import { checkNodeName } from './names.ts';

export interface PairFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Writing extends Validity {
  readonly dir: string;
  /** Takes the place of what is there. */
  readonly force: boolean;
}

const AUTHORITY = 'ca';

export const authorityFiles = (dir: string): PairFiles => filesOf(dir, AUTHORITY);

/** Rejects with `usage`, `file_exists`. */
export async function writeAuthority(name: string, { dir, force, ...validity }: Writing): Promise<PairFiles> {
  const files = authorityFiles(dir);
  refuseWhatIsThere(files, force, 'all certificates that the old authority signed would be of no use');
  const pair = makeAuthority(name, validity);
  await makeFolder(dir, 0o700);
  await writePair(files, pair, force);
  return files;
}

/** Rejects with `usage`, `file_exists`, `config_invalid`. */
export async function writeCertificate(
  name: string,
  hosts: readonly string[],
  { dir, force, ...validity }: Writing,
): Promise<PairFiles> {
  if (checkNodeName(name).toLowerCase() === AUTHORITY) {
    throw new ZkraftError('usage', `"${name}" is the authority's own name; give the node another`, { field: 'name' });
  }
  const files = filesOf(dir, name);
  refuseWhatIsThere(files, force, 'a node that runs with the old one goes on with it until it is started again');
  const pair = issueCertificate(await readAuthority(dir), name, hosts, validity);
  await writePair(files, pair, force);
  return files;
}

async function readAuthority(dir: string): Promise<CertificatePair> {
  const { certFile, keyFile } = authorityFiles(dir);
  const read = (file: string): Promise<string> =>
    readFile(file, 'utf8').catch((error: Error) => {
      throw new ZkraftError(
        'config_invalid',
        `there is no authority in ${dir} (${error.message}); make one first: zkraft certs init --dir ${dir}`,
        { field: 'dir', cause: error },
      );
    });
  return { cert: await read(certFile), key: await read(keyFile) };
}

const filesOf = (dir: string, name: string): PairFiles => ({
  certFile: join(dir, `${name}.crt`),
  keyFile: join(dir, `${name}.key`),
});

function refuseWhatIsThere({ certFile, keyFile }: PairFiles, force: boolean, consequence: string): void {
  if (force) return;
  for (const file of [certFile, keyFile]) if (existsSync(file)) throw fileExists(file, consequence);
}

/** The key first: a certificate without its key is of no use, and says that it is there. */
async function writePair(
  { certFile, keyFile }: PairFiles,
  { cert, key }: CertificatePair,
  force: boolean,
): Promise<void> {
  await write(keyFile, key, 0o600, force);
  await write(certFile, cert, 0o644, force);
}

async function write(file: string, text: string, mode: number, force: boolean): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, text, { mode, flag: 'wx' });
    // A link fails where a rename would write over what somebody else has just made.
    if (force) await rename(temporary, file);
    else await link(temporary, file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw fileExists(file, 'it is new');
    throw new ZkraftError('config_invalid', `${file} cannot be written: ${(error as Error).message}`, {
      field: 'dir',
      cause: error,
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

const fileExists = (file: string, consequence: string): ZkraftError =>
  new ZkraftError('file_exists', `${file} is there already; --force puts a new one in its place (${consequence})`, {
    field: 'force',
  });
