/** A compose file as Compose reads it: anchors merged, variables at their defaults, secrets and ports in full. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from '../support/cli.ts';

export const COMPOSE = 'docker/compose.yaml';
export const MONITORING = 'docker/compose.monitoring.yaml';

export interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string };
  readonly user?: string;
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly (string | { readonly source: string; readonly target: string })[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly network_mode?: string;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly deploy?: { readonly resources?: { readonly limits?: Readonly<Record<string, unknown>> } };
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

/** The text with its variables at their defaults. */
export const composeText = (path: string): string =>
  readFileSync(join(ROOT, path), 'utf8').replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1');

export const readCompose = (path = COMPOSE): Compose => parse(composeText(path), { merge: true }) as Compose;

export interface Published {
  readonly host: string;
  readonly published: number;
  readonly target: number;
}

export const portsOf = (service: Service): Published[] =>
  (service.ports ?? []).map((text) => {
    const [target = '', published = '', ...host] = text.split(':').reverse();
    return { host: host.reverse().join(':'), published: Number(published), target: Number(target) };
  });

/** The path of each secret inside the container, and of the file that it is, from the compose file. */
export const secretsOf = ({ secrets }: Compose, service: Service): Map<string, string> =>
  new Map(
    (service.secrets ?? []).map((one) => {
      const { source, target } = typeof one === 'string' ? { source: one, target: one } : one;
      return [`/run/secrets/${target}`, secrets[source]?.file ?? `no secret is called ${source}`];
    }),
  );

/** Those that run zkraft. */
export const ourServices = (compose: Compose): [string, Service][] =>
  Object.entries(compose.services).filter(([, { image }]) => image.startsWith('zkraft-'));
