/**
 * Makes what the clusters of this folder must not share with any other: passwords, tokens, and the certificates of two
 * authorities, `raft` for the coordinators among themselves and `grpc` between them and the workers.
 *
 *   node docker/make-secrets.mjs [FOLDER]        default: docker/secrets
 *
 * What is there is kept, so that it can be run again; remove a file to have it made anew. The folder is for its owner
 * alone (0700). The files in it are readable to all (0444), since a container reads them as another user than the one who
 * made them, through a mount of that one file; only the authorities' own keys stay 0600, for they are never mounted.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const CERTS = resolve(HERE, '../dist/certs/index.js');
const SECRET_BYTES = 32;
/** As `zkraft certs` has them. */
const AUTHORITY_DAYS = 3_650;
const CERTIFICATE_DAYS = 365;
const LOCAL_HOSTS = ['localhost', '127.0.0.1', '::1'];

const SECRETS = ['database-password', 'worker-token', 'admin-token', 'grafana-password'];
const COORDINATORS = ['coordinator-1', 'coordinator-2', 'coordinator-3'];
/** `worker` is what all pods of the Kubernetes deployment share: their ids begin with it. */
const WORKERS = ['worker-1', 'worker-2', 'worker'];

const folder = resolve(process.argv[2] ?? join(HERE, 'secrets'));

/** The names under which a coordinator is reached: on the compose network, and as a pod of the StatefulSet. */
const hostsOf = (name) => [
  name,
  ...['', '.zkraft', '.zkraft.svc'].map((rest) => `${name}.coordinators${rest}`),
  ...LOCAL_HOSTS,
];

if (!existsSync(CERTS)) {
  process.stderr.write(
    `${CERTS} is not there; run npm run build first, or let an image make the secrets (README.md)\n`,
  );
  process.exit(1);
}
const { writeAuthority, writeCertificate } = await import(pathToFileURL(CERTS).href);
mkdirSync(folder, { recursive: true, mode: 0o700 });
chmodSync(folder, 0o700);

const made = [];
for (const name of SECRETS) {
  const file = join(folder, name);
  if (existsSync(file)) continue;
  writeFileSync(file, randomBytes(SECRET_BYTES).toString('hex'), { flag: 'wx', mode: 0o400 });
  chmodSync(file, 0o444);
  made.push(name);
}
for (const [authority, nodes] of [
  ['raft', [...COORDINATORS, 'operator']],
  ['grpc', [...COORDINATORS, ...WORKERS]],
]) {
  const dir = join(folder, authority);
  const writing = { dir, force: false, now: new Date() };
  if (!existsSync(join(dir, 'ca.crt'))) {
    await writeAuthority(`zkraft ${authority}`, { ...writing, days: AUTHORITY_DAYS });
    chmodSync(join(dir, 'ca.crt'), 0o444);
    made.push(`${authority}/ca.crt`);
  }
  for (const name of nodes) {
    if (existsSync(join(dir, `${name}.crt`))) continue;
    const hosts = COORDINATORS.includes(name) ? hostsOf(name) : LOCAL_HOSTS;
    await writeCertificate(name, hosts, { ...writing, days: CERTIFICATE_DAYS });
    for (const ending of ['crt', 'key']) chmodSync(join(dir, `${name}.${ending}`), 0o444);
    made.push(`${authority}/${name}.crt`);
  }
}
process.stdout.write(made.length === 0 ? `All is there in ${folder}.\n` : `Made in ${folder}: ${made.join(', ')}.\n`);
