/**
 * What a command says, and where.
 *
 * With `--json` standard output holds one JSON value and nothing else. Without, it holds the answer for people.
 * Progress goes to standard error: a bar on a terminal, nothing in a pipe.
 */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** `fraction` from 0 to 1; `stage` is a few words. */
  update(fraction: number, stage: string): void;
  stop(): void;
}

export class Terminal {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** The answer: `value` as JSON, or `lines` for people. */
  answer(value: unknown, lines: readonly string[]): void {
    process.stdout.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : `${lines.join('\n')}\n`);
  }

  /** One event of a command that goes on, a JSON object a line. */
  event(value: Readonly<Record<string, unknown>>, lines: readonly string[]): void {
    process.stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${lines.join('\n')}\n`);
  }

  /** For people alone, on standard error. */
  note(line: string): void {
    if (!this.json) process.stderr.write(`${line}\n`);
  }

  progress(title: string): Progress {
    if (this.json || process.stderr.isTTY !== true) return { update: () => {}, stop: () => {} };
    const bar = new SingleBar(
      {
        format: `${title} [{bar}] {percentage}% {stage}`,
        stream: process.stderr,
        clearOnComplete: true,
        hideCursor: true,
      },
      Presets.rect,
    );
    bar.start(100, 0, { stage: '' });
    return {
      update: (fraction, stage) => bar.update(Math.min(100, Math.floor(fraction * 100)), { stage }),
      stop: () => bar.stop(),
    };
  }
}
