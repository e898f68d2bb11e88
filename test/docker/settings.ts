/** Whether what a container is given is real: its environment by the table of settings, its command by the command line. */
import { envOf, SETTING_KEYS, SETTINGS, type Setting, type SettingKey } from '../../src/config/index.ts';

/** Of Node itself, not ours. */
const NODE_VARIABLES = ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'];

const BY_NAME = new Map<string, SettingKey>(
  SETTING_KEYS.flatMap((key) => envOf(key).map((name): [string, SettingKey] => [name, key])),
);
const isSecret = (key: SettingKey): boolean => (SETTINGS[key] as Setting).secret === true;

/** What is wrong with an environment: names that nothing reads, and secrets that are written out. */
export function environmentProblems(env: Readonly<Record<string, string>>): string[] {
  return Object.keys(env).flatMap((name) => {
    if (NODE_VARIABLES.includes(name)) return [];
    const key = BY_NAME.get(name);
    if (key !== undefined) return isSecret(key) ? [`${name} is written out; give ${name}_FILE`] : [];
    const secret = name.endsWith('_FILE') ? BY_NAME.get(name.slice(0, -'_FILE'.length)) : undefined;
    return secret !== undefined && isSecret(secret) ? [] : [`${name} sets nothing`];
  });
}

/** Variables whose value is the path of a file that must be there. */
export const filesNamed = (env: Readonly<Record<string, string>>): string[] =>
  Object.entries(env)
    .filter(([name]) => name.endsWith('_FILE'))
    .map(([, path]) => path);
