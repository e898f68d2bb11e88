/**
 * Recorded instructions as WebAssembly text.
 *
 * Two lanes are one v128. Four lanes are two of them, side by side in memory: every instruction is written twice in a
 * row, once per half, with loads before the pair, which is the pattern that V8's revectorizer turns into one 256-bit
 * instruction. Constants are either v128.const in locals (TurboFan, Node 20 and 22, keeps them in registers) or loaded
 * from memory at use (Turboshaft, Node 24 and up, builds a v128.const anew at every use, in three instructions).
 */
import type { Instruction } from './ir.ts';
import { Recorder } from './ir.ts';

export type Lanes = 2 | 4;
export type ConstantMode = 'locals' | 'memory';

export interface Target {
  readonly lanes: Lanes;
  readonly constants: ConstantMode;
}

/** Constants in linear memory from address 0 on: 16 bytes each for two lanes, 32 for four. */
export class ConstantPool {
  readonly #addresses = new Map<bigint, number>();
  readonly #bytes: number;
  constructor(lanes: Lanes) {
    this.#bytes = 8 * lanes;
  }
  address(bits: bigint): number {
    const known = this.#addresses.get(bits);
    if (known !== undefined) return known;
    const address = this.#addresses.size * this.#bytes;
    this.#addresses.set(bits, address);
    return address;
  }
  get size(): number {
    return this.#addresses.size * this.#bytes;
  }
  /** The data segment's content, escaped. */
  get data(): string {
    let text = '';
    for (const bits of this.#addresses.keys()) {
      let word = '';
      for (let i = 0n; i < 8n; i++) word += `\\${((bits >> (8n * i)) & 0xffn).toString(16).padStart(2, '0')}`;
      text += word.repeat(this.#bytes / 8);
    }
    return text;
  }
}

/** A function of pointers, recorded by `body`. */
export function kernelFunction(
  name: string,
  parameters: readonly string[],
  target: Target,
  pool: ConstantPool,
  body: (ir: Recorder) => void,
): string {
  const ir = new Recorder();
  body(ir);
  return render(name, parameters, ir.instructions, target, pool);
}

const hex = (bits: bigint): string => `0x${bits.toString(16)}`;

function render(
  name: string,
  parameters: readonly string[],
  instructions: readonly Instruction[],
  target: Target,
  pool: ConstantPool,
): string {
  const halves = target.lanes / 2;
  const live = liveness(instructions);
  const locals: string[] = [];
  const preamble: string[] = [];
  const lines: string[] = [];
  const local = (node: number, half: number): string => `$v${node}${half === 0 ? '' : 'b'}`;

  const value = (node: number, half: number): string => {
    const instruction = instructions[node];
    if (instruction?.op === 'constant' && target.constants === 'memory') {
      return `(v128.load offset=${pool.address(instruction.bits) + 16 * half} (i32.const 0))`;
    }
    return `(local.get ${local(node, instruction?.op === 'constant' ? 0 : half)})`;
  };

  instructions.forEach((instruction, node) => {
    if (!live.has(node)) return;
    if (instruction.op === 'constant') {
      if (target.constants === 'memory') return;
      locals.push(`(local ${local(node, 0)} v128)`);
      const bits = hex(instruction.bits);
      preamble.push(`(local.set ${local(node, 0)} (v128.const i64x2 ${bits} ${bits}))`);
      return;
    }
    for (let half = 0; half < halves; half++) {
      const text = expression(instruction, (arg) => value(arg, half), half, halves);
      if (instruction.op === 'store' || (instruction.op === 'text' && instruction.effect)) {
        lines.push(text);
        continue;
      }
      locals.push(`(local ${local(node, half)} v128)`);
      lines.push(`(local.set ${local(node, half)} ${text})`);
    }
  });

  const signature = parameters.map((parameter) => `(param $${parameter} i32)`).join(' ');
  return [`(func $${name} ${signature}`, ...locals, ...preamble, ...lines, ')'].join('\n  ');
}

function expression(instruction: Instruction, value: (node: number) => string, half: number, halves: number): string {
  // A limb takes 16 bytes for two lanes, 32 for four; offsets are given in limbs of two.
  const place = (offset: number): number => offset * halves + 16 * half;
  switch (instruction.op) {
    case 'load':
      return `(v128.load offset=${place(instruction.offset)} (local.get $${instruction.pointer}))`;
    case 'store':
      return `(v128.store offset=${place(instruction.offset)} (local.get $${instruction.pointer}) ${value(
        instruction.args[0] as number,
      )})`;
    case 'shift':
      return `(${instruction.code} ${value(instruction.args[0] as number)} (i32.const ${instruction.by}))`;
    case 'apply':
      return `(${instruction.code} ${instruction.args.map(value).join(' ')})`;
    case 'text':
      return instruction.text
        .replace(/\{lane(?:\+(\d))?\*(\d+)\}/g, (_, plus: string | undefined, times: string) =>
          String((2 * half + Number(plus ?? 0)) * Number(times)),
        )
        .replace(/\{lane(?:\+(\d))?\}/g, (_, plus: string | undefined) => String(2 * half + Number(plus ?? 0)))
        .replace(/\{(\d)\}/g, (_, i: string) => value(instruction.args[Number(i)] as number));
    case 'constant':
      throw new Error('constants are no expressions of their own');
  }
}

/** What a store or an effect needs, and what those need. */
function liveness(instructions: readonly Instruction[]): Set<number> {
  const live = new Set<number>();
  const pending = instructions.flatMap((instruction, node) =>
    instruction.op === 'store' || (instruction.op === 'text' && instruction.effect) ? [node] : [],
  );
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (live.has(node)) continue;
    live.add(node);
    const instruction = instructions[node];
    if (instruction !== undefined && 'args' in instruction) pending.push(...instruction.args);
  }
  return live;
}
