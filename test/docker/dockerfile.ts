/** docker/Dockerfile as the builder reads it: its stages, and what an image of a target is made of. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Copy, DockerfileParser, type Instruction } from 'dockerfile-ast';
import { ROOT } from '../support/cli.ts';

export const DOCKERFILE = 'docker/Dockerfile';

export interface CopyLine {
  /** A stage; undefined: the build context. */
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

export interface Stage {
  readonly name: string;
  /** A stage, or an image with its arguments filled in. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

/** What an image of a target says of itself, its own and what it is built upon. */
export interface Image {
  readonly base: string;
  readonly user: string;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[];
  readonly stopSignal: string;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly number[];
  readonly copies: readonly CopyLine[];
}

export function readStages(text = readFileSync(join(ROOT, DOCKERFILE), 'utf8')): Stage[] {
  const file = DockerfileParser.parse(text);
  const args = new Map(
    file.getInitialARGs().map((arg) => [arg.getProperty()?.getName(), arg.getProperty()?.getValue()]),
  );
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const instruction of file.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') {
      const [image = '', as, name = ''] = words(instruction);
      const from = image.replace(/\$\{(\w+)\}/g, (_, arg: string) => args.get(arg) ?? '');
      stages.push({ name: as?.toUpperCase() === 'AS' ? name : '', from, instructions: [] });
    } else stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

export function imageOf(target: string, stages = readStages()): Image {
  const line: Stage[] = [];
  for (let name = target; ; ) {
    const stage = stages.find((one) => one.name === name);
    if (stage === undefined) break;
    line.unshift(stage);
    name = stage.from;
  }
  const all = line.flatMap(({ instructions }) => instructions);
  const last = (keyword: string): Instruction | undefined => all.findLast((one) => one.getKeyword() === keyword);
  const pairs = (keyword: string): Record<string, string> =>
    Object.fromEntries(all.filter((one) => one.getKeyword() === keyword).flatMap((one) => pairsOf(one)));
  return {
    base: line[0]?.from ?? '',
    user: last('USER')?.getArgumentsContent() ?? '',
    workdir: last('WORKDIR')?.getArgumentsContent() ?? '',
    entrypoint: jsonOf(last('ENTRYPOINT')),
    cmd: jsonOf(last('CMD')),
    healthcheck: jsonOf(last('HEALTHCHECK')),
    stopSignal: last('STOPSIGNAL')?.getArgumentsContent() ?? '',
    env: pairs('ENV'),
    labels: pairs('LABEL'),
    ports: all.filter((one) => one.getKeyword() === 'EXPOSE').flatMap((one) => words(one).map(Number)),
    copies: all.filter((one) => one.getKeyword() === 'COPY').map(copyOf),
  };
}

export function copyOf(instruction: Instruction): CopyLine {
  const paths = words(instruction);
  const from = (instruction as Copy).getFromFlag()?.getValue() ?? undefined;
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
}

/** Its arguments, without flags. */
export const words = (instruction: Instruction): string[] =>
  instruction.getArguments().map((argument) => argument.getValue());

/** The words of an instruction in its JSON form, or after its CMD; of one in its shell form, or of none, nothing. */
function jsonOf(instruction: Instruction | undefined): string[] {
  const json = /\[.*\]$/s.exec(instruction?.getArgumentsContent()?.trim() ?? '')?.[0];
  return json === undefined ? [] : (JSON.parse(json) as string[]);
}

/** `a="b c"` of an ENV or a LABEL. */
function pairsOf(instruction: Instruction): [string, string][] {
  const text = (instruction.getArgumentsContent() ?? '').replaceAll(/\\\n/g, ' ');
  return [...text.matchAll(/([\w.-]+)=(?:"([^"]*)"|(\S+))/g)].map((match) => [
    match[1] ?? '',
    match[2] ?? match[3] ?? '',
  ]);
}
