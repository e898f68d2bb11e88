/** What a container of a pod is given: its environment in full, and which key of which Secret lies at which path. */
import type { Container, Manifest, PodSpec } from './kubernetes.ts';

export interface Pod {
  readonly name: string;
  readonly spec: PodSpec;
  readonly container: Container;
}

export const podsOf = (manifests: readonly Manifest[]): { owner: Manifest; spec: PodSpec; container: Container }[] =>
  manifests.flatMap((owner) => {
    const spec = owner.spec?.template?.spec;
    return spec === undefined ? [] : spec.containers.map((container) => ({ owner, spec, container }));
  });

/** As the kubelet comes to it: what `envFrom` gives, then `env`, whose values may name variables before them. */
export function environmentOf(
  container: Container,
  manifests: readonly Manifest[],
  podName: string,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { configMapRef } of container.envFrom) {
    const map = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef?.name);
    if (map === undefined) throw new Error(`no ConfigMap is called ${configMapRef?.name}`);
    Object.assign(env, map.data);
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (valueFrom !== undefined && valueFrom.fieldRef?.fieldPath !== 'metadata.name')
      throw new Error(`${name} from what?`);
    env[name] = value === undefined ? podName : expanded(value, env);
  }
  return env;
}

/** `$(NAME)`; one that is not known stays, as in Kubernetes. */
const expanded = (text: string, env: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole);

/** By path in the container: `SECRET/KEY`. Of a Secret mounted whole, the folder stands for each of its files. */
export function secretFilesOf(
  spec: PodSpec,
  container: Container,
  env: Readonly<Record<string, string>>,
  keysOf: (secret: string) => readonly string[],
): Map<string, string> {
  const files = new Map<string, string>();
  for (const mount of container.volumeMounts) {
    const secret = spec.volumes.find(({ name }) => name === mount.name)?.secret;
    if (secret === undefined) continue;
    const items = secret.items ?? keysOf(secret.secretName).map((key) => ({ key, path: key }));
    const sub = mount.subPath ?? (mount.subPathExpr === undefined ? undefined : expanded(mount.subPathExpr, env));
    for (const { key, path } of items) {
      if (sub === undefined) files.set(`${mount.mountPath}/${path}`, `${secret.secretName}/${key}`);
      else if (sub === path) files.set(mount.mountPath, `${secret.secretName}/${key}`);
    }
  }
  return files;
}
