import { envOf, flagOf, SETTING_KEYS, SETTINGS, type Setting, sectionOf } from '../../src/config/index.ts';
import { page, table } from './page.ts';

export function settingsPage(): string {
  const sections = [...new Set(SETTING_KEYS.map(sectionOf))];
  return page('Settings', '`src/config/table.ts`', [
    'A flag wins over the environment, the environment over the YAML file (`--config FILE` or `ZKRAFT_CONFIG`), the file',
    'over the default. An unknown key or a value out of range stops the start and is named. `--print-config` shows the',
    'result. Durations are written `50ms`, `1s`, `5m`, `2h`; lists are `a,b` in flags and environment, sequences in YAML.',
    'A secret may come from a file: set the variable with `_FILE` appended to its path.',
    '',
    ...sections.flatMap((section) => [
      `## ${section}`,
      '',
      ...table(
        ['key', 'default', 'environment', 'meaning'],
        SETTING_KEYS.filter((key) => sectionOf(key) === section).map((key) => {
          const row = SETTINGS[key] as Setting;
          return [
            `\`${key}\``,
            row.secret ? 'none (secret)' : `\`${JSON.stringify(row.default)}\``,
            envOf(key)
              .map((name) => `\`${name}\``)
              .join(', '),
            `${row.text} Flag: \`--${flagOf(key)}\`.`,
          ];
        }),
      ),
    ]),
  ]);
}
