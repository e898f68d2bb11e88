/**
 * Frames, one over the other on a terminal, one after the other anywhere else.
 *
 * A terminal gets the alternate screen, without a cursor, and is given back as it was however the process ends. Colours
 * are left out where there is no terminal, and where NO_COLOR says so.
 */
import { clearLine, clearScreenDown, cursorTo } from 'node:readline';
import { inspect, stripVTControlCharacters } from 'node:util';
import type { Colour, Paint } from './top-lines.ts';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';

export class Screen {
  readonly #out: NodeJS.WriteStream;
  #isLive: boolean;
  readonly #leave = (): void => void this.#out.write(LEAVE);
  readonly #redraw = (): void => this.#draw();
  #lines: readonly string[] = [];
  #frames = 0;

  /** `live`: frames take one another's place, where there is a terminal. */
  constructor(out: NodeJS.WriteStream, live: boolean) {
    this.#out = out;
    this.#isLive = live && out.isTTY === true;
    if (!this.#isLive) return;
    out.write(ENTER);
    process.once('exit', this.#leave);
    out.on('resize', this.#redraw);
  }

  get paint(): Paint {
    const isPlain = this.#out.isTTY !== true || (process.env.NO_COLOR ?? '') !== '' || process.env.TERM === 'dumb';
    return isPlain ? (_, text) => text : painted;
  }

  show(lines: readonly string[]): void {
    this.#lines = lines;
    this.#frames += 1;
    if (this.#isLive) this.#draw();
    else this.#out.write(`${this.#frames > 1 ? '\n' : ''}${lines.join('\n')}\n`);
  }

  /** Idempotent. */
  close(): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#out.off('resize', this.#redraw);
    process.off('exit', this.#leave);
    this.#leave();
  }

  #draw(): void {
    // 0, where the terminal does not know its size.
    const columns = this.#out.columns || 80;
    const rows = this.#out.rows || 24;
    cursorTo(this.#out, 0, 0);
    for (const [i, line] of this.#lines.slice(0, rows).entries()) {
      if (i > 0) this.#out.write('\n');
      cursorTo(this.#out, 0);
      clearLine(this.#out, 0);
      // Cut without its colours: a line that is too long must not wrap, nor end in half an escape.
      const plain = stripVTControlCharacters(line);
      this.#out.write(plain.length > columns ? plain.slice(0, columns) : line);
    }
    clearScreenDown(this.#out);
  }
}

/** Not by `styleText`, which goes by standard output alone. */
function painted(colour: Colour, text: string): string {
  const [begin, end] = inspect.colors[colour] ?? [0, 0];
  return `\u001b[${begin}m${text}\u001b[${end}m`;
}
