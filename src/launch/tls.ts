/**
 * Certificates and keys that settings name, read and checked before anything listens or connects.
 *
 * A file that is missing, holds something else or does not belong to the other is `config_invalid` and names the
 * setting. Files are read once, at the start: a new certificate is taken up by a restart.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { TlsIdentity } from '../common/http/index.ts';
import { ZkraftError } from '../common/index.ts';
import type { Config, SettingKey } from '../config/index.ts';

const FILE_BYTES_MAX = 1024 * 1024;

/** Certificate (with its chain) and key, or undefined when neither is set. */
export function readTlsIdentity(config: Config, certKey: SettingKey, keyKey: SettingKey): TlsIdentity | undefined {
  const certFile = String(config.get(certKey));
  const keyFile = String(config.get(keyKey));
  if (certFile === '' && keyFile === '') return undefined;
  for (const [missing, given, value] of [
    [certKey, keyKey, certFile],
    [keyKey, certKey, keyFile],
  ] as const) {
    if (value === '') throw invalid(missing, `is empty, but ${given} is set; set both, or neither`);
  }
  const cert = readPem(certKey, certFile);
  const key = readPem(keyKey, keyFile);
  const certificate = parseCertificate(certKey, certFile, cert);
  if (!certificate.checkPrivateKey(parsePrivateKey(keyKey, keyFile, key))) {
    throw invalid(keyKey, `${keyFile} is not the key of the certificate ${certFile} (${certKey})`);
  }
  return { cert, key };
}

/** Certificates of authorities, or undefined when the setting is empty. */
export function readCertificates(config: Config, setting: SettingKey): string | undefined {
  const file = String(config.get(setting));
  if (file === '') return undefined;
  const pem = readPem(setting, file);
  parseCertificate(setting, file, pem);
  return pem;
}

/** Whom a certificate (PEM) names, if it names anybody. */
export function commonNameOf(cert: string): string | undefined {
  return /^CN=(.+)$/m.exec(new X509Certificate(cert).subject)?.[1];
}

function readPem(setting: SettingKey, file: string): string {
  try {
    if (statSync(file).size > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`);
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw invalid(setting, `${file} cannot be read: ${(cause as Error).message}`, cause);
  }
}

function parseCertificate(setting: SettingKey, file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw invalid(setting, `${file} holds no certificate in PEM`, cause);
  }
}

/** The message does not say what the file holds instead: it may be a secret all the same. */
function parsePrivateKey(setting: SettingKey, file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw invalid(setting, `${file} holds no private key in PEM that can be used without a passphrase`);
  }
}

function invalid(setting: SettingKey, problem: string, cause?: unknown): ZkraftError {
  const more = cause === undefined ? {} : { cause };
  return new ZkraftError('config_invalid', `${setting}: ${problem}`, { field: setting, ...more });
}
