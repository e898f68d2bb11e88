/** Reads what /metrics serves: Prometheus text, version 0.0.4. Pure. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What one process measured at one moment. */
export class Metrics {
  readonly #samples: ReadonlyMap<string, readonly Sample[]>;

  constructor(samples: readonly Sample[]) {
    const byName = new Map<string, Sample[]>();
    for (const sample of samples) {
      const known = byName.get(sample.name);
      if (known === undefined) byName.set(sample.name, [sample]);
      else known.push(sample);
    }
    this.#samples = byName;
  }

  all(name: string): readonly Sample[] {
    return this.#samples.get(name) ?? [];
  }

  /** Of all series that have these labels; undefined when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const wanted = Object.entries(labels);
    const found = this.all(name).filter((sample) => wanted.every(([key, value]) => sample.labels[key] === value));
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)(?: -?\d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Lines that are none are passed over. */
export function parseMetrics(text: string): Metrics {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const match = line.startsWith('#') ? null : LINE.exec(line);
    if (match === null) continue;
    const [, name = '', labels = '', value = ''] = match;
    const told = [...labels.matchAll(LABEL)].map(([, key = '', text = '']) => [key, unescaped(text)] as const);
    samples.push({ name, labels: Object.fromEntries(told), value: numberOf(value) });
  }
  return new Metrics(samples);
}

const unescaped = (text: string): string =>
  text.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));

const numberOf = (text: string): number => (/^[+-]?Inf$/.test(text) ? Number(`${text}inity`) : Number(text));
