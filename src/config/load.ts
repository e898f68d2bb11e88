/**
 * Reads the settings: flag before environment before file before default.
 *
 * An unknown key, a value of the wrong type or out of range is `config_invalid`, and the message names the key, where
 * the value came from and what it may be.
 */
import { readFileSync, statSync } from 'node:fs';
import { Value } from 'typebox/value';
import { parseDocument, stringify } from 'yaml';
import { parseDurationMs, ZkraftError } from '../common/index.ts';
import { envOf, flagOf, SETTING_KEYS, SETTINGS, type Setting, type SettingKey, type SettingValue } from './table.ts';

const FILE_BYTES_MAX = 1024 * 1024;

export interface ConfigSources {
  /** Parsed flags by flag name (without dashes); undefined ones are absent. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of a YAML file. */
  readonly file?: string | undefined;
}

export interface Config {
  get<K extends SettingKey>(key: K): SettingValue<K>;
  /** A setting that holds a duration, in milliseconds. */
  ms(key: SettingKey): number;
  /** `flag --x`, `environment X`, `file F` or `default`. */
  sourceOf(key: SettingKey): string;
  /** Nested, secrets replaced by `[set]`; what `--print-config` shows. */
  toYaml(): string;
  toJSON(): Record<string, unknown>;
}

export function loadConfig(sources: ConfigSources = {}): Config {
  const file = sources.file === undefined ? new Map<SettingKey, unknown>() : readConfigFile(sources.file);
  const values = new Map<SettingKey, unknown>();
  const origins = new Map<SettingKey, string>();
  for (const key of SETTING_KEYS) {
    const { raw, origin } = pick(key, sources, file);
    values.set(key, origin === 'default' ? raw : accept(key, raw, origin));
    origins.set(key, origin);
  }
  return makeConfig(values, origins);
}

function pick(
  key: SettingKey,
  sources: ConfigSources,
  file: ReadonlyMap<SettingKey, unknown>,
): { raw: unknown; origin: string } {
  const flag = sources.flags?.[flagOf(key)];
  if (flag !== undefined) return { raw: flag, origin: `flag --${flagOf(key)}` };
  for (const name of envOf(key)) {
    const value = sources.env?.[name];
    if (value !== undefined && value !== '') return { raw: value, origin: `environment ${name}` };
    const path = sources.env?.[`${name}_FILE`];
    if ((SETTINGS[key] as Setting).secret && path)
      return { raw: readSecret(path, name), origin: `environment ${name}_FILE` };
  }
  if (file.has(key)) return { raw: file.get(key), origin: `file ${sources.file}` };
  return { raw: SETTINGS[key].default, origin: 'default' };
}

function readSecret(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new ZkraftError('config_invalid', `${name}_FILE names ${path}, which cannot be read`, { field: name, cause });
  }
}

/** Text becomes what the schema wants (flags and the environment know only text); anything else must fit as it is. */
function accept(key: SettingKey, raw: unknown, origin: string): unknown {
  const { schema, secret, item } = SETTINGS[key] as Setting;
  const value = typeof raw === 'string' || Array.isArray(raw) ? fromText(schema as { type?: string }, raw, item) : raw;
  if (Value.Check(schema, value)) return value;
  const problems = [...Value.Errors(schema, value)].map(
    (e) => `${e.instancePath.slice(1) ? `${e.instancePath.slice(1)} ` : ''}${e.message}`,
  );
  const shown = secret ? 'the value' : JSON.stringify(raw);
  throw new ZkraftError('config_invalid', `${key}: ${shown} (from ${origin}) ${describe(schema, problems)}`, {
    field: key,
  });
}

function describe(schema: object, problems: readonly string[]): string {
  if ('pattern' in schema && String(schema.pattern).includes('ms|s|m|h'))
    return 'is not a duration such as 50ms, 1s, 5m or 2h';
  if ('enum' in schema && Array.isArray(schema.enum)) return `must be one of ${schema.enum.join(', ')}`;
  return problems.join('; ') || 'is not valid';
}

function fromText(
  schema: { type?: string },
  raw: string | readonly unknown[],
  item: (text: string) => unknown = (text) => text,
): unknown {
  if (schema.type === 'array') {
    const parts = (typeof raw === 'string' ? [raw] : raw).flatMap((part) =>
      typeof part === 'string' ? splitList(part) : [part],
    );
    return parts.map((part) => (typeof part === 'string' ? item(part) : part));
  }
  if (typeof raw !== 'string') return raw;
  if (schema.type === 'integer' || schema.type === 'number') return /^-?\d+(\.\d+)?$/.test(raw) ? Number(raw) : raw;
  if (schema.type === 'boolean')
    return raw === 'true' || raw === '1' ? true : raw === 'false' || raw === '0' ? false : raw;
  return raw;
}

/** `a,b` is two items; an item that looks like JSON (peers) is read as JSON. */
function splitList(part: string): unknown[] {
  const trimmed = part.trim();
  if (trimmed === '') return [];
  if (trimmed.startsWith('[') || trimmed.startsWith('{')) {
    try {
      const json: unknown = JSON.parse(trimmed);
      return Array.isArray(json) ? json : [json];
    } catch {
      return [part];
    }
  }
  return trimmed.split(',').map((item) => item.trim());
}

function readConfigFile(path: string): Map<SettingKey, unknown> {
  let text: string;
  try {
    if (statSync(path).size > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`);
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ZkraftError('file_not_found', `--config ${path} cannot be read: ${(cause as Error).message}`, {
      field: 'config',
      cause,
    });
  }
  const document = parseDocument(text, { uniqueKeys: true });
  const problem = document.errors[0];
  if (problem) throw new ZkraftError('config_invalid', `${path} is not YAML: ${problem.message}`, { field: 'config' });
  const found = new Map<SettingKey, unknown>();
  collect(document.toJS({ maxAliasCount: 0 }) ?? {}, '', path, found);
  return found;
}

function collect(node: unknown, prefix: string, path: string, found: Map<SettingKey, unknown>): void {
  if (node === null || typeof node !== 'object' || Array.isArray(node)) {
    throw new ZkraftError('config_invalid', `${path}: ${prefix || 'the file'} must hold settings by name`, {
      field: prefix || 'config',
    });
  }
  for (const [name, value] of Object.entries(node)) {
    const key = prefix ? `${prefix}.${name}` : name;
    if (Object.hasOwn(SETTINGS, key)) found.set(key as SettingKey, value);
    else if (SETTING_KEYS.some((known) => known.startsWith(`${key}.`))) collect(value ?? {}, key, path, found);
    else throw new ZkraftError('config_invalid', `${path}: unknown setting ${key}${suggestion(key)}`, { field: key });
  }
}

function suggestion(key: string): string {
  const last = key.slice(key.lastIndexOf('.') + 1);
  const near = SETTING_KEYS.find(
    (known) => known.endsWith(`.${last}`) || known.replaceAll('_', '') === key.replaceAll('_', ''),
  );
  return near ? `; did you mean ${near}?` : '; docs/reference/settings.md lists them all';
}

function makeConfig(values: ReadonlyMap<SettingKey, unknown>, origins: ReadonlyMap<SettingKey, string>): Config {
  const nested = (): Record<string, unknown> => {
    const out: Record<string, unknown> = {};
    for (const key of SETTING_KEYS) {
      const parts = key.split('.');
      let at = out;
      for (const part of parts.slice(0, -1)) {
        at[part] ??= {};
        at = at[part] as Record<string, unknown>;
      }
      const value = values.get(key);
      const isSet = Array.isArray(value) ? value.length > 0 : value !== '';
      at[parts.at(-1) as string] = (SETTINGS[key] as Setting).secret && isSet ? '[set]' : value;
    }
    return out;
  };
  return {
    get: <K extends SettingKey>(key: K) => values.get(key) as SettingValue<K>,
    ms: (key) => parseDurationMs(String(values.get(key)), key),
    sourceOf: (key) => origins.get(key) ?? 'default',
    toYaml: () => stringify(nested()),
    toJSON: nested,
  };
}
