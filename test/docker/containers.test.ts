/** What a container must never be again: root, with its inside published, and a password that everybody knows. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../support/cli.ts';
import { filesUnder } from '../tidy/source-tree.ts';
import { COMPOSE, MONITORING, portsOf, readCompose, type Service } from './compose.ts';
import { imageOf, readStages } from './dockerfile.ts';
import { readManifests } from './kubernetes.ts';
import { podsOf } from './pods.ts';

/** PostgreSQL, Raft, and the health and metrics of workers: for the others inside alone. */
const INSIDE = [5432, 7000, 9464];
/** A value that is a secret by its name, written where anybody reads it; a path is none. */
const WRITTEN_OUT =
  /^[ \t]*(?:-|ENV|ARG)?[ \t]*["']?(?:\w*(?:PASSWORD|TOKEN|SECRET|DATABASE_URL)|password)["']?[ \t]*[:=][ \t]*["']?[^\s"'#]+/gm;
const IN_AN_ADDRESS = /\w+:\/\/[^\s:/@]+:[^\s@/]+@/g;

const services: readonly (readonly [string, Service])[] = [COMPOSE, MONITORING].flatMap((path) =>
  Object.entries(readCompose(path).services),
);

const rootProblems = (): string[] => [
  ...readStages()
    .map(({ name }) => name)
    .filter((name) => ['coordinator', 'gateway', 'worker'].includes(name))
    .filter((name) => !/^[1-9]\d*(:[1-9]\d*)?$/.test(imageOf(name).user))
    .map((name) => `the image ${name} runs as root`),
  ...services
    .filter(
      ([, { image, user }]) => user?.split(':')[0] === '0' || (user === undefined && !image.startsWith('zkraft-')),
    )
    .map(([name]) => `the service ${name} runs as root`),
  ...services
    .filter(
      ([, service]) =>
        service.privileged === true || service.cap_add !== undefined || service.network_mode !== undefined,
    )
    .map(([name]) => `the service ${name} may do more than others`),
  ...podsOf(readManifests())
    .filter(({ spec }) => spec.securityContext.runAsNonRoot !== true || spec.hostNetwork === true)
    .map(({ owner }) => `the pod ${owner.metadata.name} runs as root`),
];

const publishedProblems = (): string[] =>
  services.flatMap(([name, service]) =>
    portsOf(service).flatMap(({ host, target }) => [
      ...(INSIDE.includes(target) ? [`port ${target} of ${name} is published`] : []),
      ...(host === '' ? [`port ${target} of ${name} is published to everybody`] : []),
    ]),
  );

const passwordProblems = (): string[] =>
  filesUnder('docker')
    .filter((path) => !path.startsWith('docker/secrets/') && !/\.(md|mjs)$/.test(path))
    .flatMap((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8');
      const named = [...text.matchAll(WRITTEN_OUT)].map((match) => match[0].trim());
      return [...named, ...(text.match(IN_AN_ADDRESS) ?? [])].map((line) => `${path} has a fixed password: ${line}`);
    });

describe('containers', () => {
  it('are nobody in particular, keep their inside to themselves, and know no fixed password', () => {
    assert.deepEqual([...rootProblems(), ...publishedProblems(), ...passwordProblems()], []);
  });

  it('are looked at, all of them', () => {
    assert.deepEqual(
      readdirSync(join(ROOT, 'docker')).filter((name) => /^compose.*\.ya?ml$/.test(name)),
      ['compose.monitoring.yaml', 'compose.yaml'],
    );
    assert.equal(services.length, 11);
    assert.ok(podsOf(readManifests()).length >= 5);
    const written =
      'POSTGRES_PASSWORD: zkp_password\n  - DATABASE_URL=postgres://a:b@c/d\nENV A_TOKEN=x\n  X_TOKEN_FILE: /run/x\n';
    assert.equal([...written.matchAll(WRITTEN_OUT)].length, 3);
  });
});
