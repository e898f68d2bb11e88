/** The manifests as Kubernetes reads them, held against its own schemas. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT } from '../support/cli.ts';
import { filesUnder } from '../tidy/source-tree.ts';

export const MANIFESTS = 'docker/kubernetes';

export interface Manifest {
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  // Each kind has its own; what a test reads of it, it names.
  readonly spec: Spec;
  readonly data?: Readonly<Record<string, string>>;
}

/** Of the many kinds, what the tests look at. */
export interface Spec {
  readonly replicas?: number;
  readonly serviceName?: string;
  readonly clusterIP?: string;
  readonly publishNotReadyAddresses?: boolean;
  readonly ordinals?: { readonly start: number };
  readonly maxUnavailable?: number;
  readonly selector?: Readonly<Record<string, string>> & { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly ports?: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
  readonly template?: { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: PodSpec };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly scaleTargetRef?: { readonly kind: string; readonly name: string };
  readonly metrics?: readonly { readonly external: { readonly metric: { readonly name: string } } }[];
}

interface Rule {
  readonly from?: readonly { readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> } }[];
  readonly ports?: readonly { readonly port: number }[];
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
  readonly hostNetwork?: boolean;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly affinity?: { readonly podAntiAffinity?: Readonly<Record<string, readonly object[]>> };
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

export interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
  }[];
  readonly envFrom: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: { readonly requests: object; readonly limits: { readonly memory?: string } };
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly subPath?: string;
    readonly subPathExpr?: string;
  }[];
}

interface Volume {
  readonly name: string;
  readonly secret?: {
    readonly secretName: string;
    readonly items?: readonly { readonly key: string; readonly path: string }[];
  };
  readonly emptyDir?: object;
}

/** All of them but the kustomization. Kubernetes reads YAML 1.1, where 0440 is octal. */
export const readManifests = (): Manifest[] =>
  filesUnder(MANIFESTS, '.yaml')
    .filter((file) => !file.endsWith('kustomization.yaml'))
    .flatMap((file) => manifestsOf(readFileSync(join(ROOT, file), 'utf8'), file));

export const manifestsOf = (text: string, file: string): Manifest[] =>
  parseAllDocuments(text, { version: '1.1', merge: true }).map((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw new Error(`${file}: ${problem.message}`);
    return { file, ...(document.toJS() as Omit<Manifest, 'file'>) };
  });

interface Model {
  validate(): void;
}

/**
 * What Kubernetes' schemas say against a manifest. They let unknown fields pass, which Kubernetes does not; so each field
 * that the schema's validator has never looked at is named, too.
 */
export async function schemaProblems({ file: _, ...manifest }: Manifest): Promise<string[]> {
  const { apiVersion, kind } = manifest;
  const models = (await import(`kubernetes-models/${apiVersion}`)) as Record<string, { prototype: Model } | undefined>;
  const Kind = models[kind];
  if (Kind === undefined) return [`${apiVersion} has no ${kind}`];
  const seen = new Set<string>();
  try {
    // Not of an instance, which would be a copy: what is read of the manifest itself is to be seen.
    Kind.prototype.validate.call(watched(manifest, '', seen) as Model);
  } catch (error) {
    return [(error as Error).message];
  }
  return fieldsOf(manifest, '').filter((path) => !seen.has(path));
}

/** The same value, which notes in `seen` the path of each field that is read. */
function watched(value: unknown, path: string, seen: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get: (target, name) => {
      if (typeof name === 'symbol') return Reflect.get(target, name);
      seen.add(`${path}/${name}`);
      return watched(Reflect.get(target, name), `${path}/${name}`, seen);
    },
  });
}

function fieldsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [`${path}/${name}`, ...fieldsOf(inner, `${path}/${name}`)]);
}
