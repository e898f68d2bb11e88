/**
 * What happened, as one number: two runs of a seed are the same run if their traces have the same hash.
 *
 * With `keep`, the last lines as text too, for whoever looks for the reason of a violation.
 */
export type Field = number | string;

export class Trace {
  #low = 0x811c9dc5;
  #high = 0x9747b28c;
  #events = 0;
  readonly #keep: number;
  readonly #lines: string[] = [];

  constructor(keep = 0) {
    this.#keep = keep;
  }

  get events(): number {
    return this.#events;
  }

  add(what: string, ...fields: readonly Field[]): void {
    this.#events += 1;
    this.#text(what);
    for (const field of fields) {
      if (typeof field === 'number') this.#number(field);
      else this.#text(field);
    }
    if (this.#keep === 0) return;
    this.#lines.push(`${what} ${fields.join(' ')}`);
    if (this.#lines.length > 2 * this.#keep) this.#lines.splice(0, this.#keep);
  }

  /** 16 hexadecimal digits. */
  hash(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  lines(): readonly string[] {
    return this.#lines.slice(-this.#keep);
  }

  #number(value: number): void {
    const whole = Number.isInteger(value) ? value : Math.round(value * 1_000);
    this.#mix(whole | 0);
    this.#mix((whole / 2 ** 32) | 0);
  }

  #text(value: string): void {
    for (let i = 0; i < value.length; i += 1) this.#mix(value.charCodeAt(i));
  }

  /** FNV-1a in two lanes (G. Fowler, L. C. Noll, K.-P. Vo), the second over what the first has become. */
  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(this.#high ^ (this.#low >>> 7), 0x01000193);
  }
}
